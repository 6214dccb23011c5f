// Package table writes the tables of the reports.
package table

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Table is rows of cells. The first row has the names of the columns.
type Table [][]string

// Add appends a row. Each cell is the text of a value, as fmt.Sprint makes it.
func (t *Table) Add(values ...any) {
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = fmt.Sprint(v)
	}
	*t = append(*t, row)
}

// Markdown returns the table for a document.
func (t Table) Markdown() string {
	var b strings.Builder
	for i, row := range t {
		for _, cell := range row {
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat(" --- |", len(row)) + "\n")
		}
	}
	return b.String()
}

// Print writes the table for a terminal, in columns.
func (t Table) Print(w io.Writer) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	return columns.Flush()
}
