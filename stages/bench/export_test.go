package bench

import "context"

// Upload measures the link alone.
func Upload(ctx context.Context, o Options) (*Result, error) {
	b := &bench{Options: o, result: &Result{Settings: o.Settings}}
	err := b.link(ctx)
	if err == nil {
		err = context.Cause(ctx)
	}
	return b.result, err
}
