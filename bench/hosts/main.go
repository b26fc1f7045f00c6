// Command hosts measures and simulates backups on many hosts.
//
//	hosts rates      measures what firn's code does in a second, for the simulation
//	hosts simulate   simulates what no machine here can show, and draws it
//	hosts measure    measures worker processes on this machine
//
// See docs/hosts.md for what came of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"

	"firn/bench/hosts/rates"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "rates":
			return measureRates(ctx, args[1:])
		case "simulate":
			return simulate(ctx, args[1:])
		case "measure":
			return measure(ctx, args[1:])
		}
	}
	return errors.New("name one of rates, simulate and measure; -h after it lists its flags")
}

// measureRates prints what package rates keeps.
func measureRates(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("hosts rates", flag.ExitOnError)
	dir := flags.String("dir", "", "where to make trees, in a directory of its own; default: the system's for temporary files")
	which := flags.String("only", "", "regular expression of what to measure: scan, items, serial, broker, bytes, send; default: all")
	_ = flags.Parse(args)
	only, err := regexp.Compile(*which)
	if err != nil {
		return err
	}
	t, err := rates.Measure(ctx, *dir, only, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "\t")
	return out.Encode(t)
}
