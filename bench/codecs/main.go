// Command codecs measures every codec and level of firn beside the native tools and beside the Go
// libraries that firn could use instead, one core each, in interleaved rounds: CPU seconds (user
// and system), MB of input per CPU second, ratio, bytes and peak memory; for decoding MB of output
// per CPU second. It prints a table of medians and writes it as CSV. Run it with make bench-codecs.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"firn/bench/stat"
	"firn/stages/format/codec"
)

func main() {
	rounds := flag.Int("n", 3, "interleaved rounds")
	size := flag.Int64("bytes", 32<<20, "bytes of each corpus")
	only := flag.String("only", "", "only contenders whose name holds this")
	format := flag.String("format", "", "only contenders of this file name extension, such as gz")
	corpus := flag.String("corpus", "", "only these of text, binaries, random and tiny, separated by commas")
	out := flag.String("csv", "bench/out/codecs.csv", "where to write the table")
	one := flag.String("one", "", "used by the command itself: NAME-SETTING encodes standard input, -NAME decodes it")
	child := flag.Bool("measure", false, "used by the command itself: run the arguments and print what they took")
	flag.Parse()
	var err error
	if *one != "" {
		err = single(*one)
	} else if *child {
		err = measureHere(flag.Args())
	} else {
		err = run(*rounds, *size, choice{*only, *format, *corpus}, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "codecs:", err)
		os.Exit(1)
	}
}

// single runs one contender that is Go code, in a process of its own: NAME-SETTING encodes standard
// input, -NAME decodes it. NAME is a format or a library.
func single(what string) error {
	if name, ok := strings.CutPrefix(what, "-"); ok {
		r, err := decoder(name, os.Stdin)
		if err != nil {
			return err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{os.Stdout}, struct{ io.Reader }{r}, make([]byte, 1<<20)); err != nil {
			return err
		}
		return r.Close()
	}
	name, setting, _ := strings.Cut(what, "-")
	w, err := encoder(name, setting, os.Stdout)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, os.Stdin, make([]byte, 1<<20)); err != nil {
		return err
	}
	return w.Close()
}

func decoder(name string, r io.Reader) (io.ReadCloser, error) {
	for _, l := range libraries() {
		if l.name == name {
			return l.decode(r)
		}
	}
	format, err := codec.New(name, codec.DefaultLevel)
	if err != nil {
		return nil, err
	}
	return format.NewReader(r)
}

func encoder(name, setting string, w io.Writer) (io.WriteCloser, error) {
	for _, l := range libraries() {
		if l.name == name {
			return l.encode(w, setting)
		}
	}
	level, err := strconv.Atoi(setting)
	if err != nil {
		return nil, err
	}
	format, err := codec.New(name, level)
	if err != nil {
		return nil, err
	}
	return codec.NewWriter(format, w), nil
}

// A contender encodes or decodes standard input to standard output.
type contender struct {
	name    string
	format  string // extension
	command []string
	decode  bool
}

func contenders(self string) (all []contender) {
	for _, name := range codec.Names() {
		for level := 1; level <= 9; level++ {
			if f, err := codec.New(name, level); err == nil {
				all = append(all, contender{fmt.Sprintf("firn %s -%d", name, level), f.Ext(), []string{self, "-one", fmt.Sprintf("%s-%d", name, level)}, false})
			}
		}
		f, err := codec.New(name, codec.DefaultLevel)
		if err != nil {
			panic(err) // a name of codec.Names has a default
		}
		all = append(all, contender{"firn " + name + " -d", f.Ext(), []string{self, "-one", "-" + name}, true})
	}
	for _, l := range libraries() {
		for _, s := range l.settings {
			all = append(all, contender{l.name + " -" + s, l.ext, []string{self, "-one", l.name + "-" + s}, false})
		}
		all = append(all, contender{l.name + " -d", l.ext, []string{self, "-one", "-" + l.name}, true})
	}
	for _, native := range []struct {
		ext, command string
		decode       bool
	}{
		{"gz", "gzip -6", false}, {"gz", "gzip -9", false}, {"gz", "pigz -6 -p 1", false}, {"gz", "pigz -9 -p 1", false}, {"gz", "gzip -d", true}, {"gz", "pigz -d -p 1", true},
		{"bz2", "bzip2 -1", false}, {"bz2", "bzip2 -9", false}, {"bz2", "lbzip2 -1 -n 1", false}, {"bz2", "lbzip2 -9 -n 1", false}, {"bz2", "bzip2 -d", true}, {"bz2", "lbzip2 -d -n 1", true},
		{"xz", "xz -0 -T 1", false}, {"xz", "xz -1 -T 1", false}, {"xz", "xz -6 -T 1", false}, {"xz", "xz -d -T 1", true},
		{"zst", "zstd -1 --single-thread", false}, {"zst", "zstd -3 --single-thread", false}, {"zst", "zstd -d", true},
	} {
		all = append(all, contender{native.command, native.ext, append(strings.Fields(native.command), "-c"), native.decode})
	}
	return all
}

type figures struct {
	cpu    time.Duration
	memory int64 // bytes
	out    int64
}

// A choice of contenders and corpora; what is empty leaves all of them.
type choice struct{ name, format, corpora string }

func (c choice) reads(corpus string) bool {
	return c.corpora == "" || slices.Contains(strings.Split(c.corpora, ","), corpus)
}

func (c choice) holds(by contender) bool {
	return strings.Contains(by.name, c.name) && (c.format == "" || c.format == by.format)
}

func run(rounds int, size int64, only choice, out string) error {
	dir, err := os.MkdirTemp("", "firn-codecs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	corpora, err := makeCorpora(dir, size)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	rows := [][]string{{"corpus", "contender", "CPU s", "MB/s per core", "ratio", "bytes", "peak MB"}}
	for _, corpus := range corpora {
		if !only.reads(corpus.name) {
			continue
		}
		encoded, err := encodeAll(corpus, dir, only.format)
		if err != nil {
			return err
		}
		results := map[string][]figures{}
		for round := range rounds {
			for _, c := range contenders(self) {
				if !only.holds(c) {
					continue
				}
				input := corpus.file
				if c.decode {
					input = encoded[c.format]
				}
				f, err := measure(self, c, input)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", c.name, corpus.name, err)
				}
				results[c.name] = append(results[c.name], f)
			}
			fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", corpus.name, round+1, rounds)
		}
		for _, c := range contenders(self) {
			if rs := results[c.name]; len(rs) > 0 {
				rows = append(rows, row(corpus, c, rs))
			}
		}
	}
	return write(rows, out)
}

func row(c corpus, by contender, rs []figures) []string {
	cpu := stat.Median(rs, func(f figures) time.Duration { return f.cpu })
	memory := stat.Median(rs, func(f figures) int64 { return f.memory })
	ratio, size := "", ""
	if !by.decode {
		size = strconv.FormatInt(rs[0].out, 10)
		ratio = fmt.Sprintf("%.3f", float64(c.size)/float64(rs[0].out))
	}
	return []string{c.name, by.name, fmt.Sprintf("%.2f", cpu.Seconds()), fmt.Sprintf("%.1f", float64(c.size)/1e6/cpu.Seconds()), ratio, size, fmt.Sprintf("%.0f", float64(memory)/1e6)}
}

// encodeAll makes what the decoders read, with the native tools.
func encodeAll(c corpus, dir, format string) (map[string]string, error) {
	files := map[string]string{}
	for ext, command := range map[string]string{"gz": "gzip -6", "bz2": "bzip2 -9", "xz": "xz -1 -T 2 --block-size=8MiB", "zst": "zstd -3 -q"} {
		if format != "" && format != ext {
			continue
		}
		files[ext] = filepath.Join(dir, c.name+"."+ext)
		to, err := os.Create(files[ext])
		if err != nil {
			return nil, err
		}
		words := strings.Fields(command)
		cmd := exec.Command(words[0], append(words[1:], "-c", c.file)...)
		cmd.Stdout, cmd.Stderr = to, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		if err := to.Close(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// measure runs a contender below a small process of our own: a child's peak
// memory is counted from that of the process it was forked from.
func measure(self string, c contender, input string) (f figures, err error) {
	in, err := os.Open(input)
	if err != nil {
		return f, err
	}
	defer in.Close()
	cmd := exec.Command(self, append([]string{"-measure", "--"}, c.command...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return f, err
	}
	_, err = fmt.Sscan(string(printed), &f.cpu, &f.memory, &f.out)
	return f, err
}

func measureHere(command []string) error {
	var out counter
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := io.Copy(&out, pipe); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	_, err = fmt.Println(u.Utime.Nano()+u.Stime.Nano(), u.Maxrss*1024, int64(out))
	return err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func write(rows [][]string, out string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t")+"\t")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		return err
	}
	return f.Close()
}
