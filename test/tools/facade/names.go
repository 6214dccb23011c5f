package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

const namesFile = "test/tools/facade/names.txt"

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
	if s, ok := p.chosen[p.name+"."+n.name]; ok {
		return s
	}
	handle := handles[p.name]
	switch n.kind {
	case token.TYPE:
		if isOption(n.name) {
			return handle + n.name
		}
	case token.CONST:
		if n.typ == "" || isOption(n.typ) {
			return handle + n.name
		}
		typ := p.names[n.typ]
		if rest, ok := strings.CutPrefix(n.name, n.typ); ok {
			return p.facade(typ) + rest
		}
		if !strings.Contains(n.name, strings.TrimSuffix(n.typ, "Kind")) {
			return p.facade(typ) + n.name
		}
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

// inFacade returns the names of a package that the façade has.
func (p *pkg) inFacade() []*name {
	return slices.DeleteFunc(slices.Clone(p.order), func(n *name) bool { return p.leftOut[p.name+"."+n.name] != "" })
}

// problems returns the names without a sentence, those that two names have, and the
// names to leave out that do not exist. Chosen names may be for versions to come.
func (lib *library) problems() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(lib.leftOut)) {
		dir, name, _ := strings.Cut(key, ".")
		if p := lib.packages[dir]; p == nil || p.names[name] == nil {
			all = append(all, fmt.Sprintf("%s: %s does not exist", namesFile, key))
		}
	}
	taken := make(map[string]string)
	for _, dir := range packages {
		p := lib.packages[dir]
		for _, n := range p.inFacade() {
			key := dir + "." + n.name
			if p.sentence(n) == "" {
				all = append(all, key+": the comment does not start with the name")
			}
			if other := taken[p.facade(n)]; other != "" {
				all = append(all, fmt.Sprintf("%s and %s are both %s: choose a name in %s", other, key, p.facade(n), namesFile))
			}
			taken[p.facade(n)] = key
		}
	}
	return all
}
