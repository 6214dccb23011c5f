package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const tableFile = "test/tools/facade/names.txt"

// packages are in the order of their names in the façade.
var packages = []string{"iface", "fd", "eventfd", "timerfd", "pidfd", "memfd", "signalfd"}

// handles has, for each package, the word that its names in the façade have in them.
var handles = map[string]string{
	"iface":    "",
	"fd":       "FD",
	"eventfd":  "EventFD",
	"timerfd":  "TimerFD",
	"pidfd":    "PidFD",
	"memfd":    "MemFD",
	"signalfd": "SignalFD",
}

// A table is the content of names.txt. The keys are names such as "pidfd.Open".
type table struct {
	names   map[string]string
	leftOut map[string]string // with the reasons
	read    map[string]bool   // entries whose name exists
}

func readTable(root string) (*table, error) {
	text, err := os.ReadFile(filepath.Join(root, tableFile))
	if err != nil {
		return nil, err
	}
	t := &table{map[string]string{}, map[string]string{}, map[string]bool{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if key, name, ok := strings.Cut(line, " = "); ok {
			t.names[key] = name
		} else if key, reason, ok := strings.Cut(line, " - "); ok {
			t.leftOut[key] = reason
		} else {
			return nil, fmt.Errorf("%s: %q is neither a name nor a name to leave out", tableFile, line)
		}
	}
	return t, nil
}

// unread returns the names to leave out that do not exist. Other entries may be for
// names of versions to come.
func (t *table) unread() []string {
	var all []string
	for key := range maps.Keys(t.leftOut) {
		if !t.read[key] {
			all = append(all, key)
		}
	}
	return slices.Sorted(slices.Values(all))
}

// facade returns the name that a name has in the façade. If names.txt does not have
// it, the rules are:
//   - Types and variables keep their names: Seal, ErrClosed.
//   - Options start with the name of the handle: MemFDOption, MemFDExecutable.
//   - Untyped constants start with the name of the handle: EventFDMaxValue.
//   - Other constants start with the name of their type: ClockMonotonic.
//   - A constant that contains the name of its type keeps its own: NetNamespace.
//   - A constructor is the verb, the name of the handle and the rest: NewMemFDSealed.
//   - A constructor of another type has the name of that type: NewWaker.
//   - FromFD and the like start with the name of the handle: EventFDFromFD.
//   - Other functions end with the name of the handle: StartPidFD.
//   - Other functions of package fd keep their names: WaitRead.
func (p *pkg) facade(n *name) string {
	key := p.name + "." + n.name
	if s, ok := p.table.names[key]; ok {
		return s
	}
	handle := handles[p.name]
	switch n.kind {
	case token.TYPE:
		if isOption(n.name) {
			return handle + n.name
		}
		return n.name
	case token.CONST:
		typ := p.names[n.typ]
		if typ == nil || isOption(n.typ) {
			return handle + n.name
		}
		if rest, ok := strings.CutPrefix(n.name, n.typ); ok {
			return p.facade(typ) + rest
		}
		if strings.Contains(n.name, strings.TrimSuffix(n.typ, "Kind")) {
			return n.name
		}
		return p.facade(typ) + n.name
	case token.FUNC:
		for _, verb := range []string{"New", "Open"} {
			rest, ok := strings.CutPrefix(n.name, verb)
			if typ := p.names[rest]; ok && typ != nil && typ.kind == token.TYPE {
				return verb + p.facade(typ)
			}
			if ok {
				return verb + handle + rest
			}
		}
		if strings.HasPrefix(n.name, "From") || n.makesOption() {
			return handle + n.name
		}
		if p.name != "fd" {
			return n.name + handle
		}
	}
	return n.name
}

func isOption(typ string) bool { return strings.HasSuffix(typ, "Option") }

func (n *name) makesOption() bool {
	results := n.decl.Type.Results
	if results == nil || len(results.List) != 1 {
		return false
	}
	typ, ok := results.List[0].Type.(*ast.Ident)
	return ok && isOption(typ.Name)
}
