package main

import (
	"context"

	"firn/stages/backup"
	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/stage/walk"
)

// lead opens the queue of a backup, if there is one, and says what workers are told of it. This process
// needs little then: it keeps the catalogue.
func (b *backupFlags) lead(ctx context.Context, m *means, w *walk.Options) (context.Context, *leading, error) {
	ctx, l, err := m.openLead(ctx, &b.queue, "backup")
	if l == nil || err != nil {
		return ctx, nil, err
	}
	m.MemoryLimit = backup.MemoryNeeded(b.archive.format, m.PartSize) + coordinatorParts*m.PartSize
	l.settings.Exclude = asBytes(w.Exclude.Lines())
	for _, path := range w.LeaveOut {
		l.settings.LeaveOut = append(l.settings.LeaveOut, []byte(absolute(path)))
	}
	l.settings.Sample, err = sampleOf(b.tree.path)
	return ctx, l, err
}

// coordinatorParts is how many parts a coordinator can have in flight, beside the least memory of a run.
const coordinatorParts = 3

func (b *backupFlags) sees(s *settings) error { return s.sees("tree", b.tree.path) }

// room counts the archives that are read, those that are sent, and two that wait.
func (b *backupFlags) room() int { return b.machine.workers.Archive + b.machine.workers.Encrypt + 2 }

// help starts a worker of a backup.
func (b *backupFlags) help(ctx context.Context, m *means, member *hosts.Member, s *settings) (*job.Handle, error) {
	b.tree.exclude = asTexts(s.Exclude)
	w, err := b.open(ctx, m)
	if err != nil {
		return nil, err
	}
	w.LeaveOut = append(w.LeaveOut, asTexts(s.LeaveOut)...)
	return backup.Work(ctx, member, b.options(m, w))
}
