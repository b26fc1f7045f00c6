//go:build !linux

package tree

import (
	"errors"
	"io/fs"
)

// Nodes and attributes are made and compared on Linux only.

func mknodat(int, string, fs.FileMode, uint32, uint32) error { return errors.ErrUnsupported }

func setxattrat(int, string, string, []byte) error { return errors.ErrUnsupported }

func listxattrat(int, string) (map[string]string, error) { return nil, nil }
