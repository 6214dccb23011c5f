// Package consume tests the modules as a program that requires them gets them: from
// module zips of a module proxy, without the repository.
package consume

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/imports"

	"code.hybscloud.com/iofd/test/tools/published"
)

const (
	repository = "../../.."
	prefix     = "code.hybscloud.com/iofd"
)

// programs are a function for each package, and what it prints.
var programs = map[string]struct{ code, prints string }{
	"fd": {`
		r, w, err := os.Pipe()
		must(err)
		f := try(fd.FromFile(r))
		try(w.WriteString("bytes"))
		must(errors.Join(r.Close(), w.Close()))
		p := make([]byte, 10)
		n := try(f.ReadContext(context.Background(), p))
		fmt.Printf("fd %s\n", p[:n])
		must(f.Close())`, "fd bytes\n"},
	"iface": {`
		var none iface.PollFd
		fmt.Println("iface", none)`, "iface <nil>\n"},
	"eventfd": {`
		e := try(eventfd.New(0))
		must(e.Signal(7))
		fmt.Println("eventfd", try(e.Wait()))
		must(e.Close())`, "eventfd 7\n"},
	"memfd": {`
		m := try(memfd.NewSealed("blob", []byte("bytes")))
		mapping := try(m.Map(0, 5, memfd.ReadOnly))
		fmt.Printf("memfd %s\n", mapping.Bytes())
		must(errors.Join(mapping.Close(), m.Close()))`, "memfd bytes\n"},
	"pidfd": {`
		cmd := exec.Command("true")
		p := try(pidfd.Start(cmd))
		fmt.Println("pidfd", try(p.WaitContext(context.Background())))
		must(errors.Join(cmd.Wait(), p.Close()))`, "pidfd exit status 0\n"},
	"signalfd": {`
		s := try(signalfd.New(signalfd.NewSet(syscall.SIGUSR1)))
		must(syscall.Kill(syscall.Getpid(), syscall.SIGUSR1))
		fmt.Println("signalfd", try(s.ReadContext(context.Background())).Signal)
		must(s.Close())`, "signalfd user defined signal 1\n"},
	"timerfd": {`
		t := try(timerfd.New(timerfd.Monotonic))
		must(t.Arm(time.Millisecond, 0))
		fmt.Println("timerfd", try(t.ReadContext(context.Background())))
		must(t.Close())`, "timerfd 1\n"},
	"": {`
		m := try(iofd.NewMemFD("blob"))
		fmt.Println("iofd", m.Name())
		must(m.Close())`, "iofd blob\n"},
}

// helpers come with each program.
const helpers = `package main

func main() {} // after the functions of the packages

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func try[T any](v T, err error) T {
	must(err)
	return v
}
`

var handles = []string{"eventfd", "memfd", "pidfd", "signalfd", "timerfd"}

// closure returns the paths of a module and of the modules that it requires, sorted.
func closure(name string) []string {
	names := []string{"fd", "iface", "internal/sys"}
	switch name {
	case "iface":
		names = []string{"iface"}
	case "fd":
	case "":
		names = append(append(names, ""), handles...)
	default:
		names = append(names, name)
	}
	var paths []string
	for _, name := range names {
		paths = append(paths, path.Join(prefix, name))
	}
	slices.Sort(paths)
	if name != "iface" {
		paths = append(paths, "golang.org/x/sys")
	}
	return paths
}

func TestConsumers(t *testing.T) {
	m := open(t)
	t.Run("alone", m.alone)
	t.Run("mixes", m.mixes)
	t.Run("vendored core", m.vendoredCore)
	t.Run("readme", m.readme)
}

// A market has two versions of every module: the last released version, and the working
// tree as the version after it. If there is no release, the older version is the one
// that would be released first.
type market struct {
	proxy    published.Proxy
	old, new map[string]string // by directory
}

// open makes the modules of the files that git knows or would add, committed or not.
func open(t *testing.T) market {
	t.Helper()
	repo := t.TempDir()
	git := func(args ...string) string {
		out, err := published.Git(repo, append([]string{"-c", "user.name=test", "-c", "user.email=test@localhost"}, args...)...)
		require.NoError(t, err)
		return out
	}
	require.NoError(t, published.Clone(repository, repo))
	list, err := published.Git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	require.NoError(t, err)
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(repo, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(repo, name), text, 0o666))
	}
	commit := func() string {
		git("add", "--all")
		git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", "the tree")
		return strings.TrimSpace(git("rev-parse", "HEAD"))
	}
	tree := commit()

	m := market{published.Proxy(t.TempDir()), make(map[string]string), make(map[string]string)}
	modules, err := published.Modules(repo, tree, "v0.1.0")
	require.NoError(t, err)
	for _, module := range modules {
		tags, err := module.Tags(repo)
		require.NoError(t, err)
		for _, module.Version = range tags {
			require.NoError(t, m.proxy.Add(repo, module.Tag(), module))
		}
		if tags == nil {
			require.NoError(t, m.proxy.Add(repo, tree, module))
		}
		m.old[module.Dir] = module.Version
		m.new[module.Dir] = after(module.Version)
	}
	for _, module := range modules {
		edit := []string{"mod", "edit", "-fmt"}
		for _, r := range module.Requires {
			edit = append(edit, "-require="+r.Path+"@"+m.new[strings.TrimPrefix(r.Path, prefix+"/")])
		}
		out, err := exec.Command("go", append(edit, filepath.Join(repo, module.Dir, "go.mod"))...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	raised := commit()
	for _, module := range modules {
		module.Version = m.new[module.Dir]
		require.NoError(t, m.proxy.Add(repo, raised, module))
	}
	return m
}

// after returns the first version of the next minor version.
func after(version string) string {
	var major, minor int
	_, err := fmt.Sscanf(version, "v%d.%d", &major, &minor)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("v%d.%d.0", major, minor+1)
}

// A consumer is a module outside the repository that requires modules of the library.
type consumer struct {
	t     *testing.T
	dir   string
	cache string // of modules
	env   []string
}

// consumer makes a module that requires the given versions, by directory, and
// whose program is made of theirs.
func (m market) consumer(t *testing.T, cache string, requires map[string]string) consumer {
	t.Helper()
	c := consumer{t: t, dir: t.TempDir(), cache: cache}
	var err error
	c.env, err = m.proxy.Environ(cache)
	require.NoError(t, err)
	mod := "module example.com/consumer\n\ngo 1.26.0\n"
	c.write("main.go", helpers)
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		mod += fmt.Sprintf("\nrequire %s %s\n", path.Join(prefix, name), requires[name])
		if program, ok := programs[name]; ok {
			pkg := path.Join(prefix, name)
			text := fmt.Sprintf("package main\n\nimport %q\n\nfunc init() {%s\n}\n", pkg, program.code)
			file := path.Base(pkg) + ".go"
			withImports, err := imports.Process(file, []byte(text), nil)
			require.NoError(t, err)
			c.write(file, string(withImports))
		}
	}
	c.write("go.mod", mod)
	return c
}

func (c consumer) write(name, text string) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o666))
}

// run runs a command in the module and returns its standard output.
func (c consumer) run(name string, args ...string) string {
	c.t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = c.env
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(c.t, err, "%s %q\n%s%s", name, args, out, &stderr)
	return string(out)
}

// program builds the module and returns what its program prints. Paths are trimmed, so
// that what one cache has compiled serves for another.
func (c consumer) program() string {
	c.t.Helper()
	c.run("go", "build", "-trimpath", "-o", "program", ".")
	return c.run("./program")
}

// built returns the modules that packages of the program come from.
func (c consumer) built() map[string]string {
	c.t.Helper()
	modules := make(map[string]string)
	for line := range strings.Lines(c.run("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", ".")) {
		if p, version, _ := strings.Cut(strings.TrimSpace(line), " "); version != "" {
			modules[p] = version
		}
	}
	return modules
}

// Lines that name a module: in go.mod, with the sum of its code in go.sum, and in
// vendor/modules.txt.
var (
	requires = regexp.MustCompile(`(?m)^(?:require |\t)(\S+) v`)
	sums     = regexp.MustCompile(`(?m)^(\S+) [^/\s]+ h1:`)
	vendors  = regexp.MustCompile(`(?m)^# (\S+) v`)
)

func (c consumer) required() []string { return c.named("go.mod", requires) }
func (c consumer) summed() []string   { return c.named("go.sum", sums) }
func (c consumer) vendored() []string { return c.named("vendor/modules.txt", vendors) }

// named returns the modules that lines of a file name.
func (c consumer) named(file string, lines *regexp.Regexp) (paths []string) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, file))
	require.NoError(c.t, err)
	for _, line := range lines.FindAllStringSubmatch(string(text), -1) {
		paths = append(paths, line[1])
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// downloaded returns the modules whose code is in the cache.
func (c consumer) downloaded() (paths []string) {
	c.t.Helper()
	root := filepath.Join(c.cache, "cache/download")
	require.NoError(c.t, filepath.WalkDir(root, func(file string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, file); strings.HasSuffix(rel, ".zip") {
			paths = append(paths, path.Dir(path.Dir(filepath.ToSlash(rel))))
		}
		return err
	}))
	return paths
}

// A program that requires one module gets that module, the core and x/sys: in its build,
// in go.mod and in vendor. None of these has a module that only tests import. However,
// "go mod tidy" reads the tests of the packages, so it downloads those modules and adds
// them to go.sum. "go get" also asks if the root module of the same version has the package.
func (m market) alone(t *testing.T) {
	for name := range programs {
		t.Run(path.Join("iofd", name), func(t *testing.T) {
			t.Parallel()
			want := closure(name)
			c := m.consumer(t, t.TempDir(), map[string]string{name: m.old[name]})
			c.write("go.mod", "module example.com/consumer\n\ngo 1.26.0\n")
			c.run("go", "get", path.Join(prefix, name)+"@"+m.old[name])
			assert.Equal(t, programs[name].prints, c.program())
			assert.Equal(t, want, slices.Sorted(maps.Keys(c.built())))
			assert.Equal(t, want, c.required())
			assert.Equal(t, want, c.summed())
			looked := append([]string{prefix}, want...)
			assert.Subset(t, looked, c.downloaded())

			c.run("go", "mod", "vendor")
			assert.Equal(t, want, c.vendored())
			assert.Equal(t, want, c.required())
			assert.Equal(t, want, c.summed())
			assert.Subset(t, looked, c.downloaded())

			c.run("go", "mod", "tidy")
			assert.Equal(t, want, c.required())
			tests := []string{"github.com/stretchr/testify", "go.yaml.in/yaml/v3"}
			assert.Subset(t, append(tests, want...), c.summed())
			assert.Subset(t, append(tests, looked...), c.downloaded())
		})
	}
}

// A program may use an old version of one handle and a new version of another. Both use
// the newest core that either requires, so a new core must support old handles.
func (m market) mixes(t *testing.T) {
	cache := t.TempDir()
	mix := func(name string, versions map[string]string) {
		t.Run(name, func(t *testing.T) {
			c := m.consumer(t, cache, versions)
			var want string
			for _, name := range slices.Sorted(maps.Keys(versions)) {
				want += programs[name].prints
			}
			assert.Equal(t, want, c.program())
			for name, version := range c.built() {
				if want, asked := versions[strings.TrimPrefix(name, prefix+"/")]; asked {
					assert.Equal(t, want, version, name)
				}
			}
		})
	}
	all := func(versions map[string]string, but map[string]string, except string) map[string]string {
		mixed := map[string]string{except: but[except]}
		for _, name := range handles {
			if name != except {
				mixed[name] = versions[name]
			}
		}
		return mixed
	}
	for _, name := range handles {
		mix("new "+name, all(m.old, m.new, name))
		mix("old "+name, all(m.new, m.old, name))
	}
	for _, name := range []string{"fd", "iface", "internal/sys"} {
		mix("new "+name, all(m.old, m.new, name))
	}
}

// The core is vendored, and built for other systems with nothing to download.
func (m market) vendoredCore(t *testing.T) {
	c := m.consumer(t, t.TempDir(), map[string]string{"fd": m.old["fd"], "iface": m.old["iface"]})
	c.run("go", "mod", "tidy")
	c.run("go", "mod", "vendor")
	for _, platform := range []string{"linux/amd64", "darwin/arm64", "freebsd/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		offline := c
		offline.env = append(c.env, "GOOS="+goos, "GOARCH="+goarch, "GOFLAGS=-mod=vendor", "GOPROXY=off", "GOMODCACHE="+t.TempDir())
		offline.run("go", "build", "-o", goos, ".")
	}
	assert.Equal(t, programs["fd"].prints+programs["iface"].prints, c.run("./linux"))
}

// The program of the README works to the letter with the root module's requirements.
func (m market) readme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n```go\n")
	require.True(t, found)
	program, rest, found := strings.Cut(rest, "\n```\n")
	require.True(t, found)
	require.NotContains(t, rest, "```go", "another block would have to be tried, too")

	c := m.consumer(t, t.TempDir(), map[string]string{"": m.old[""]})
	require.NoError(t, os.Remove(filepath.Join(c.dir, "iofd.go")))
	c.write("main.go", program+"\n")
	c.run("go", "build", "-trimpath", "-o", "program", ".")
	awaited := exec.Command("sleep", "0.1")
	require.NoError(t, awaited.Start())
	pid := awaited.Process.Pid
	assert.Equal(t, fmt.Sprintf("process %d has ended\n", pid), c.run("./program", strconv.Itoa(pid)))
	assert.NoError(t, awaited.Wait())
}
