package fdtest

import "testing"

func Main(m *testing.M)
func NoLeaks(t testing.TB)
