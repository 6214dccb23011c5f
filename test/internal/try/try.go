// Package try ends work at its first error, as Fatal ends a test. Code that only makes
// things and measures or checks them is then not longer than its work.
package try

// A failure is the panic of Check and Get.
type failure struct{ error }

// Check ends the function that [Run] has called, if err is not nil. Only the goroutine of
// that function may call Check.
func Check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// Get returns v, or is like [Check] if err is not nil.
func Get[T any](v T, err error) T {
	Check(err)
	return v
}

// Run calls do. It returns nil, or the error with which Check or Get ended do.
func Run(do func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	do()
	return nil
}
