package main

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// A name is an exported object, and what it is: a comparable description that
// leaves out the names of parameters and results.
type name struct {
	types.Object
	is string
}

// exported returns the exported names of a package. Methods and fields are named with
// their type: "FD.Close". A promoted method is the method of the type that it is
// promoted to; of an interface, the methods that are not embedded are listed.
func exported(pkg *types.Package) map[string]name {
	names := make(map[string]name)
	add := func(key string, obj types.Object, is string) {
		if obj.Exported() {
			names[key] = name{obj, is}
		}
	}
	text := func(t types.Type) string { return types.TypeString(t, types.RelativeTo(pkg)) }
	method := func(receiver string, f types.Object) string {
		sig := f.Type().(*types.Signature)
		sig = types.NewSignatureType(nil, nil, nil, nameless(sig.Params()), nameless(sig.Results()), sig.Variadic())
		return "func " + receiver + f.Name() + strings.TrimPrefix(text(sig), "func")
	}
	for _, n := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(n)
		is := types.ObjectString(obj, types.RelativeTo(pkg))
		switch o := obj.(type) {
		case *types.Func:
			is = method("", o)
		case *types.TypeName:
			if !o.Exported() || o.IsAlias() {
				break
			}
			switch u := o.Type().Underlying().(type) {
			case *types.Interface:
				var methods []string
				for m := range u.Methods() {
					methods = append(methods, m.Name())
				}
				is = "type " + n + " interface{ " + strings.Join(methods, "; ") + " }"
				for m := range u.ExplicitMethods() {
					add(n+"."+m.Name(), m, method("", m))
				}
			case *types.Struct:
				is = "type " + n + " struct"
				for f := range u.Fields() {
					add(n+"."+f.Name(), f, types.ObjectString(f, types.RelativeTo(pkg)))
				}
			}
			if !types.IsInterface(o.Type()) {
				for _, m := range typeutil.IntuitiveMethodSet(o.Type(), nil) {
					add(n+"."+m.Obj().Name(), m.Obj(), method("("+text(m.Recv())+") ", m.Obj()))
				}
			}
		}
		add(n, obj, is)
	}
	return names
}

func nameless(t *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range t.Variables() {
		vars = append(vars, types.NewParam(0, nil, "", v.Type()))
	}
	return types.NewTuple(vars...)
}
