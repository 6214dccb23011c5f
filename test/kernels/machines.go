package main

import (
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A processor is an architecture of Go's, and what its names are elsewhere.
type processor struct {
	goarch string
	user   string // QEMU's program that runs programs for it
	biased bool   // there is assembly, and so the biased count
	guest  *guest // how whole machines are emulated, if they are
}

// A guest is a virtual machine of a processor.
type guest struct {
	suite    string // of Debian's, that has the programs
	debian   string // Debian's name of the processor
	flavour  string // of the kernel's package
	packages []string
	program  string // of QEMU's, in these packages
	args     []string
	console  string
}

var (
	amd64 = &processor{"amd64", "qemu-x86_64", true, &guest{tools, "amd64", "cloud-amd64", []string{"qemu-system-x86"},
		"qemu-system-x86_64", []string{"-cpu", "max,-cx16"}, "ttyS0"}}
	arm64 = &processor{"arm64", "qemu-aarch64", true, &guest{tools, "arm64", "cloud-arm64", []string{"qemu-system-arm"},
		"qemu-system-aarch64", []string{"-M", "virt", "-cpu", "max,pauth-impdef=on"}, "ttyAMA0"}}
	riscv64 = &processor{"riscv64", "qemu-riscv64", true, &guest{"sid", "riscv64", "riscv64", []string{"qemu-system-riscv"},
		"qemu-system-riscv64", []string{"-M", "virt"}, "ttyS0"}}
	loong64 = &processor{"loong64", "qemu-loongarch64", true, &guest{"sid", "loong64", "loong64", []string{"qemu-system-misc", "qemu-efi-loongarch64"},
		"qemu-system-loongarch64", []string{"-M", "virt", "-cpu", "la464", "-bios", "QEMU_EFI.fd"}, "ttyS0"}}
	ppc64le = &processor{"ppc64le", "qemu-ppc64le", false, &guest{"sid", "ppc64el", "powerpc64le", []string{"qemu-system-ppc"},
		"qemu-system-ppc64", []string{"-M", "pseries,x-vof=on", "-cpu", "power9"}, "hvc0"}}
	s390x = &processor{"s390x", "", false, &guest{"sid", "s390x", "s390x", []string{"qemu-system-s390x"},
		"qemu-system-s390x", []string{"-M", "s390-ccw-virtio", "-cpu", "max"}, "ttysclp0"}}
	arm  = &processor{"arm", "qemu-arm", false, nil}
	i386 = &processor{"386", "qemu-i386", false, nil}
)

// A kind is a way to run what was built for a processor.
type kind string

const (
	native kind = "native" // the processor of this machine does
	user   kind = "user"   // QEMU translates the program, the kernel of this machine serves it
	system kind = "system" // QEMU emulates a machine, with a kernel of its own
)

// A machine is a place where the tests are run.
type machine struct {
	kind      kind
	processor *processor
	suite     string // of Debian's, that has the kernel
	series    string // the kernel's version up to the second number; the newest if empty
	ci        bool   // one of those for every change
}

func (m machine) String() string {
	version := string(m.kind)
	if m.kind == system {
		version = "linux-" + m.series
		if m.series == "" {
			version = "linux-newest"
		}
	}
	return version + "/" + m.processor.goarch
}

// file is the machine's name as that of a file.
func (m machine) file() string { return strings.ReplaceAll(m.String(), "/", "-") }

// machines are all that the report is about, in its order. User-mode emulation of s390x
// is not among them: QEMU turns the bytes of a counter round only in a read(2) of the
// number that eventfd2(2) or timerfd_create(2) returned, not of a duplicate, of one from
// elsewhere, or by another call.
var machines = []machine{
	{kind: native, processor: amd64},
	{kind: native, processor: i386},
	{kind: user, processor: arm64, ci: true},
	{kind: user, processor: riscv64, ci: true},
	{kind: user, processor: loong64},
	{kind: user, processor: ppc64le},
	{kind: user, processor: arm},
	{kind: user, processor: i386},
	{kind: system, processor: amd64, suite: "bullseye", series: "5.10", ci: true},
	{kind: system, processor: amd64, suite: "bookworm", series: "6.1"},
	{kind: system, processor: amd64, suite: "trixie", series: "6.12"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "6.16"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "6.17"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "6.18"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "6.19"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "7.0"},
	{kind: system, processor: amd64, suite: "trixie-backports", series: "7.1"},
	{kind: system, processor: amd64, suite: "sid", series: "7.2"},
	{kind: system, processor: amd64, suite: "trixie-backports", ci: true},
	{kind: system, processor: arm64, suite: "bullseye", series: "5.10"},
	{kind: system, processor: arm64, suite: "bookworm", series: "6.1"},
	{kind: system, processor: arm64, suite: "trixie", series: "6.12"},
	{kind: system, processor: arm64, suite: "trixie-backports", series: "6.18"},
	{kind: system, processor: arm64, suite: "sid", series: "7.2"},
	{kind: system, processor: arm64, suite: "trixie-backports"},
	{kind: system, processor: s390x, suite: "sid"},
	{kind: system, processor: riscv64, suite: "sid"},
	{kind: system, processor: ppc64le, suite: "sid"},
	{kind: system, processor: loong64, suite: "sid"},
}

// selected returns the machines whose names match and that this one can be or
// emulate, and of these only those for every change if ci is set.
func selected(match *regexp.Regexp, ci bool) (chosen []machine) {
	here := []string{runtime.GOARCH}
	if runtime.GOARCH == "amd64" {
		here = append(here, "386")
	}
	for _, m := range machines {
		can := m.kind != native || slices.Contains(here, m.processor.goarch)
		if can && match.MatchString(m.String()) && (m.ci || !ci) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}
