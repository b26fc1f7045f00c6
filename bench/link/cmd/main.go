// Command cmd is a link to a server, for any program: see package link. It prints its address and
// runs until it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"firn/bench/link"
)

func main() {
	var o link.Options
	target := flag.String("to", "", "the server, host:port")
	flag.DurationVar(&o.Latency, "latency", 0, "each way")
	flag.Int64Var(&o.Bandwidth, "bandwidth", 0, "bytes a second each way, over all connections; 0 is no limit")
	flag.IntVar(&o.Window, "window", link.DefaultWindow, "bytes of a connection on their way")
	flag.Float64Var(&o.Loss, "loss", 0, "share of the connections that are reset each second")
	flag.Parse()
	l, err := link.Start(*target, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "link:", err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	_ = l.Close()
}
