// Command discovery is Istio's own discovery server over resources in files: what istiod does with
// them, without Kubernetes.
//
//	discovery FOLDER
//
// It listens on a free port of the loopback interface and prints which. The files are read again on
// SIGHUP, and it prints what it then has.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: discovery FOLDER")
		os.Exit(2)
	}
	folder := os.Args[1]
	known := read(folder)
	server := xds.NewFakeDiscoveryServer(host{}, xds.FakeOptions{
		Configs:         known,
		ListenerBuilder: func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
	})
	fmt.Printf("listening on %s\n", server.Listener.Addr())

	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGHUP)
	for reads := 2; ; reads++ {
		<-changed
		wanted := read(folder)
		apply(server, known, wanted)
		known = wanted
		fmt.Printf("read %d times, %d resources\n", reads, len(known))
	}
}

// read returns the resources of all files, held to the rules of Istio's admission webhook.
func read(folder string) []config.Config {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	check(err)
	sort.Strings(files)
	var found []config.Config
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		resources, others, err := crd.ParseInputs(string(text))
		if err != nil {
			check(fmt.Errorf("%s: %w", file, err))
		}
		for _, each := range others {
			check(fmt.Errorf("%s: Istio has no %s %s", file, each.APIVersion, each.Kind))
		}
		found = append(found, resources...)
	}
	return found
}

// apply makes the server's store hold the wanted resources instead of the known ones.
func apply(server *xds.FakeDiscoveryServer, known, wanted []config.Config) {
	before := map[string]bool{}
	for _, each := range known {
		before[each.Key()] = true
	}
	for _, each := range wanted {
		var err error
		if before[each.Key()] {
			_, err = server.Store().Update(each)
		} else {
			_, err = server.Store().Create(each)
		}
		check(err)
		delete(before, each.Key())
	}
	for _, each := range known {
		if before[each.Key()] {
			check(server.Store().Delete(each.GroupVersionKind, each.Name, each.Namespace, nil))
		}
	}
}

func check(err error) {
	if err != nil {
		host{}.Fatal(err)
	}
}

// host stands where Istio's server expects Go's test: its failures end the process.
type host struct{}

func (host) Fail()                        { os.Exit(1) }
func (host) FailNow()                     { os.Exit(1) }
func (h host) Fatal(values ...any)        { h.Log(values...); os.Exit(1) }
func (h host) Fatalf(f string, vs ...any) { h.Logf(f, vs...); os.Exit(1) }
func (host) Log(values ...any)            { fmt.Fprintln(os.Stderr, values...) }
func (host) Logf(format string, vs ...any) {
	fmt.Fprintf(os.Stderr, strings.TrimRight(format, "\n")+"\n", vs...)
}
func (host) TempDir() string      { return os.TempDir() }
func (host) Helper()              {}
func (host) Cleanup(func())       {}
func (h host) Skip(values ...any) { h.Fatal(values...) }
