package restore

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
)

// A File is one file that is written to a stream. Nothing is written before its archive is verified.
type File struct {
	Path string // as the catalogue has it
	// To gets the content. An error that is syscall.EPIPE ends the writing, and is none of the restore.
	To io.Writer
}

// A NotFileError says that what is at a path is no regular file. Nothing of it is written.
type NotFileError struct{ Path, What, Target string }

func (e *NotFileError) Error() string {
	if e.Target != "" {
		return fmt.Sprintf("%s is %s to %s", e.Path, e.What, e.Target)
	}
	return fmt.Sprintf("%s is %s", e.Path, e.What)
}

func (f *File) check() error {
	if f.Path == "/" || f.Path == "." {
		return &NotFileError{f.Path, "a directory", ""}
	}
	return nil
}

// refuse returns a fault of the run for what is no file, by its type in a tar; nil for a file and a hard
// link to one.
func (f *File) refuse(flag byte, target string) error {
	e := &NotFileError{Path: f.Path, What: "a device"}
	switch flag {
	case tar.TypeReg, tar.TypeLink:
		return nil
	case tar.TypeDir:
		e.What = "a directory"
	case tar.TypeSymlink:
		e.What, e.Target = "a symbolic link", target
	case tar.TypeFifo:
		e.What = "a FIFO"
	}
	return pipeline.Fatal(e)
}

// compareFile refuses, before anything is fetched, what is no file by the list of its archive.
func (r *restore) compareFile(ctx context.Context, a *item, emit func(*item) error) error {
	f := r.options.File
	if a.Line.Path != f.Path && treepath.Within(f.Path, a.Line.Path) {
		r.thawer.Skip()
		return f.refuse(tar.TypeDir, "")
	}
	if a.Line.List == nil {
		return emit(a)
	}
	err := r.shelf.List(ctx, *a.Line.List, a.Line.Owner(), func(list *catalogue.ListReader) error {
		members := treepath.MembersOf(a.Line.Path)
		for {
			e, err := list.Next()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case members.Path(e.Path) == f.Path:
				return f.refuse(e.TypeFlag(), e.Target)
			}
		}
	})
	if err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)) {
		r.thawer.Skip()
		return err
	}
	return emit(a) // the archive is read without its list
}

// write writes the file from the archive that has it.
func (r *restore) write(ctx context.Context, a *item) error {
	r.print.Lock()
	defer r.print.Unlock()
	f, members := r.options.File, treepath.MembersOf(a.Line.Path)
	if r.print.done || ledger.Shown(a.newer, a.of, f.Path, false) {
		return nil
	}
	found, err := r.content(ctx, a, func(name string) bool { return members.Path(name) == f.Path })
	if err == nil && found != nil && found.Type == tar.TypeLink {
		link := found.Link
		if found, err = r.content(ctx, a, func(name string) bool { return name == link }); err == nil && found == nil {
			err = prove.Damagef(report.ProblemEntries, "%s is a hard link to %s, which its archive does not have", f.Path, link)
		}
	}
	if err != nil || found == nil {
		return err
	}
	if err := f.refuse(found.Type, found.Link); err != nil {
		return err
	}
	r.print.done = true
	r.Totals.Entries.Add(1)
	r.Totals.Files.Add(1)
	r.stages.extract.AddOut(found.Size)
	r.Report.Event(report.Event{Kind: report.Restored, Path: f.Path, Key: a.Line.Key, Source: found.Size, Stored: a.Object.Size})
	return nil
}

// content writes the content of the member that is wanted, if it is a file, and returns what it is; nil if
// there is none.
func (r *restore) content(ctx context.Context, a *item, wanted func(name string) bool) (found *extract.Found, err error) {
	t, err := r.prover.Open(ctx, &a.Archive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	to := &output{to: r.options.File.To}
	bounded := r.boundedTar(a, t)
	found, err = extract.Content(ctx, bounded, wanted, to)
	switch {
	case errors.Is(to.err, syscall.EPIPE): // the reader has seen enough
		return found, nil
	case to.err != nil:
		return nil, pipeline.Fatal(fmt.Errorf("writing the file: %w", to.err))
	case err == nil && !a.IsSpooled(): // it is proven by its end
		_, err = io.Copy(io.Discard, bounded)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", a.Line.Key, err)
	}
	return found, nil
}

// output keeps the error of a stream.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(p []byte) (n int, err error) {
	n, o.err = o.to.Write(p)
	return n, o.err
}

// notWritten is the error of a run that ended and did not find the file, nor report why.
func (r *restore) notWritten() error {
	t := r.Totals
	if r.print.done || t.Failed.Load()+t.Unproven.Load()+t.Cold.Load()+t.CatalogueFaults.Load() > 0 {
		return nil
	}
	return job.ErrNoMatch
}
