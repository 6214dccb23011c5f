package table

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	table := Table{{"name", "n"}}
	table.Add("a long one", 7)
	table.Add("", 12.5)
	assert.Equal(t, "| name | n |\n| --- | --- |\n| a long one | 7 |\n|  | 12.5 |\n", table.Markdown())
	var out strings.Builder
	require.NoError(t, table.Print(&out))
	assert.Equal(t, "name        n\na long one  7\n            12.5\n", out.String())
}
