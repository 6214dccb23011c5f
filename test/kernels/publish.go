package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	stored    = "doc/reports/kernels.json"
	readmes   = "README*.md" // in each language
	tableFrom = "<!-- platforms: made by go run ./test/kernels -render -->\n"
	tableTo   = "<!-- /platforms -->\n"
)

// publish stores results in the place of the earlier ones of the same machines,
// and writes all that is made of them.
func publish(root string, results []result) error {
	all, err := readStored(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	of := make(map[string]result)
	for _, r := range slices.Concat(all, results) {
		of[r.Machine] = r
	}
	all = nil
	for _, m := range machines {
		if r, ok := of[m.String()]; ok {
			all = append(all, r)
		}
	}
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, stored), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return publishStored(root, false)
}

func readStored(root string) (results []result, err error) {
	text, err := os.ReadFile(filepath.Join(root, stored))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &results); err != nil {
		return nil, fmt.Errorf("%s: %w", stored, err)
	}
	return results, nil
}

// publishStored writes the report, its picture and the table of each README from the
// stored results, or compares them with those if check is set. A README without the
// lines around the table stays as it is, which is an error.
func publishStored(root string, check bool) error {
	results, err := readStored(root)
	if err != nil {
		return err
	}
	files := map[string][]byte{"doc/reports/kernels.md": markdown(results), "doc/reports/kernels.svg": picture(results)}
	texts, problem := filepath.Glob(filepath.Join(root, readmes))
	for _, path := range texts {
		name := filepath.Base(path)
		text, err := os.ReadFile(path)
		if err == nil {
			text, err = replaceTable(text, platforms(results))
		}
		if err != nil {
			problem = errors.Join(problem, fmt.Errorf("%s: %w", name, err))
			continue
		}
		files[name] = text
	}
	for name, want := range files {
		path := filepath.Join(root, name)
		if !check {
			problem = errors.Join(problem, os.WriteFile(path, want, 0o644))
			continue
		}
		if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
			problem = errors.Join(problem, fmt.Errorf("%s is not what %s says: go run ./test/kernels -render", name, stored))
		}
	}
	return problem
}

// replaceTable puts a table between the markers of a text.
func replaceTable(text, table []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(tableFrom))
	_, after, closed := bytes.Cut(rest, []byte(tableTo))
	if !ok || !closed {
		return nil, fmt.Errorf("no lines %q and %q for the table", tableFrom, tableTo)
	}
	return bytes.Join([][]byte{before, []byte(tableFrom), table, []byte(tableTo), after}, nil), nil
}
