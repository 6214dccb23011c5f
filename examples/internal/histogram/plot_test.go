package histogram

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// texts returns the texts of a picture, which must be well-formed.
func texts(t *testing.T, path string) (all []string) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	decoder := xml.NewDecoder(file)
	depth, inText := 0, false
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			assert.Zero(t, depth)
			return all
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				assert.Equal(t, "svg", token.Name.Local)
			}
			depth++
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				all = append(all, string(token))
			}
		case xml.EndElement:
			depth--
			inText = false
		}
	}
}

// Each scale has labels enough, whatever was measured.
func TestPictureOf(t *testing.T) {
	for what, late := range map[string][]time.Duration{
		"nothing":        nil,
		"no time":        {0, 0, 1},
		"one":            {58 * time.Microsecond},
		"equal ones":     {time.Second, time.Second},
		"near ones":      {90 * time.Microsecond, 99 * time.Microsecond},
		"far ones":       {time.Microsecond, time.Hour},
		"all there are":  {0, 1<<63 - 1},
		"what was early": {-time.Second},
	} {
		var h Histogram
		for _, d := range late {
			h.Add(d)
		}
		path := filepath.Join(t.TempDir(), "picture.svg")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, WriteSVG(file, "title", "lateness", []Row{{"one", &h}, {"other", new(Histogram)}}), what)
		require.NoError(t, file.Close())
		times := 0
		for _, text := range texts(t, path) {
			if _, err := time.ParseDuration(text); err == nil && strings.HasSuffix(text, "s") {
				times++
			}
		}
		assert.GreaterOrEqual(t, times, 3, what)
		assert.LessOrEqual(t, times, 20, what)
	}
	assert.ErrorIs(t, WriteSVG(full{}, "", "", []Row{{"", new(Histogram)}}), errFull)
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
