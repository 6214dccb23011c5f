package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"code.hybscloud.com/iofd/test/internal/try"
)

const (
	stored    = "doc/reports/kernels.json"
	readmes   = "README*.md" // in each language
	tableFrom = "<!-- platforms: made by go run ./test/kernels -render -->\n"
	tableTo   = "<!-- /platforms -->\n"
)

// publish stores results in the place of the earlier ones of the same machines,
// and writes all that is made of them.
func publish(root string, results []result) {
	of := make(map[string]result)
	for _, r := range slices.Concat(readStored(root), results) {
		of[r.Machine] = r
	}
	var all []result
	for _, m := range machines {
		if r, ok := of[m.String()]; ok {
			all = append(all, r)
		}
	}
	text := try.Get(json.MarshalIndent(all, "", "\t"))
	try.Check(os.WriteFile(filepath.Join(root, stored), append(text, '\n'), 0o644))
	publishStored(root, false)
}

func readStored(root string) (results []result) {
	try.Check(json.Unmarshal(try.Get(os.ReadFile(filepath.Join(root, stored))), &results))
	return results
}

// publishStored writes the report and the table of each README from the stored results,
// or compares them with those if check is set.
func publishStored(root string, check bool) {
	results := readStored(root)
	files := map[string][]byte{"doc/reports/kernels.md": markdown(results)}
	for _, path := range try.Get(filepath.Glob(filepath.Join(root, readmes))) {
		name := filepath.Base(path)
		files[name] = replaceTable(name, try.Get(os.ReadFile(path)), platforms(results))
	}
	for name, want := range files {
		path := filepath.Join(root, name)
		if !check {
			try.Check(os.WriteFile(path, want, 0o644))
		} else if !bytes.Equal(try.Get(os.ReadFile(path)), want) {
			try.Check(fmt.Errorf("%s is not what %s says: go run ./test/kernels -render", name, stored))
		}
	}
}

// replaceTable puts a table between the markers of the text of a file.
func replaceTable(name string, text, table []byte) []byte {
	before, rest, ok := bytes.Cut(text, []byte(tableFrom))
	_, after, closed := bytes.Cut(rest, []byte(tableTo))
	if !ok || !closed {
		try.Check(fmt.Errorf("%s: no lines %q and %q for the table", name, tableFrom, tableTo))
	}
	return bytes.Join([][]byte{before, []byte(tableFrom), table, []byte(tableTo), after}, nil)
}
