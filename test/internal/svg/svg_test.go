package svg

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPicture(t *testing.T) {
	p := New(100, 50.26, "a <title>")
	p.Text(1, 2, "x & y", `font-size="9"`)
	p.Line(Ink, 0.5, 1, 2, 3, 4)
	p.Box(Blue, 1, 2, 3, 4)
	p.Dot(Brown, 1, 2, 3)
	name := filepath.Join(t.TempDir(), "p.svg")
	require.NoError(t, p.WriteFile(name))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var elements []string
	for in := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := in.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			elements = append(elements, start.Name.Local)
		}
	}
	assert.Equal(t, []string{"svg", "title", "rect", "text", "polyline", "rect", "circle"}, elements)
	assert.Contains(t, string(text), `viewBox="0 0 100 50.3"`)
	assert.Contains(t, string(text), `points="1,2 3,4 "`)

	assert.NoError(t, p.WriteFile(""))
	assert.Error(t, p.WriteFile(filepath.Join(t.TempDir(), "no", "p.svg")))
}

func TestTicks(t *testing.T) {
	for _, limits := range [][2]float64{{0, 2}, {99_000, 101_000}, {8, 14}, {0, 0.9}, {270, 350}, {0, 73.2}} {
		s := Scale{limits[0], limits[1], 100, 0}
		ticks := s.Ticks()
		assert.GreaterOrEqual(t, len(ticks), 2, limits)
		assert.LessOrEqual(t, len(ticks), 6, limits)
		for _, v := range ticks {
			assert.GreaterOrEqual(t, v, limits[0])
			assert.LessOrEqual(t, v, limits[1])
		}
	}
	assert.Equal(t, 25.0, Scale{0, 4, 100, 0}.At(3))
}
