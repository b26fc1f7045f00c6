package pipeline

import "context"

// A Pool is a stage's workers shared by many streams of blocks.
type Pool struct {
	stage *Stage
	tasks chan func()
}

// NewPool starts the stage's workers. Only the run's own goroutines may use the pool.
func NewPool(s *Stage) *Pool {
	p := &Pool{stage: s, tasks: make(chan func())}
	for range s.workers {
		s.run.pools.Go(func() {
			for s.oneTask(p.tasks) {
			}
		})
	}
	s.run.mu.Lock()
	s.run.close = append(s.run.close, func() { close(p.tasks) })
	s.run.mu.Unlock()
	return p
}

// oneTask runs a task; false if there will be none.
func (s *Stage) oneTask(tasks <-chan func()) bool {
	s.gate.enter()
	defer s.gate.leave()
	task, ok := take(s, tasks)
	if ok {
		task()
	}
	return ok
}

// submit passes task to a free worker; the error is ctx's cause, and task is not run then.
func (p *Pool) submit(ctx context.Context, task func()) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case p.tasks <- task:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
