package flags

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/pflag"

	"firn/cmd/firn/monitor"
)

// Monitor is who is told how a run goes.
type Monitor struct{ File, Address, Ping string }

func (m *Monitor) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&m.File, "metrics-file", "", "write metrics to this `file` every minute and at the end, for the textfile collector of node_exporter; its name ends in .prom")
	f.StringVar(&m.Address, "metrics-address", "", "serve metrics for Prometheus at this `address`, such as localhost:9750, while firn runs")
	f.StringVar(&m.Ping, "ping-url", "", "tell this `URL` that the run begins, and how it ended, with the last lines, as healthchecks.io takes it")
}

func (m *Monitor) Validate(f *pflag.FlagSet) error {
	for _, name := range []string{"metrics-file", "metrics-address", "ping-url"} {
		if f.Changed(name) {
			if err := Require(f, name); err != nil {
				return err
			}
		}
	}
	if m.File != "" && !strings.HasSuffix(m.File, ".prom") {
		return fmt.Errorf("--metrics-file %q: node_exporter reads only files whose names end in .prom", m.File)
	}
	if m.Address != "" && !isAddress(m.Address) {
		return fmt.Errorf("--metrics-address %q: it must be written HOST:PORT, such as localhost:9750", m.Address)
	}
	if m.Ping != "" && monitor.CheckPing(m.Ping) != nil {
		return errors.New("--ping-url: " + monitor.ErrPingURL.Error())
	}
	return nil
}

// isAddress reports whether an address is HOST:PORT, with a port that there can be.
func isAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}
