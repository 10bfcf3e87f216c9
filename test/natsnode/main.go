// Command natsnode is one node of a NATS cluster with JetStream, for tests that kill it.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	name := flag.String("name", "", "of the node")
	dir := flag.String("dir", "", "for its files")
	port := flag.Int("port", 0, "for clients")
	cluster := flag.Int("cluster", 0, "port for the other nodes; 0 is no cluster")
	routes := flag.String("routes", "", "addresses of all nodes of the cluster, separated by commas")
	flag.Parse()
	options := &server.Options{
		ServerName: *name, Host: "127.0.0.1", Port: *port, JetStream: true, StoreDir: *dir, SyncAlways: true, MaxPayload: 8 << 20,
	}
	if *cluster != 0 {
		options.Cluster = server.ClusterOpts{Name: "tests", Host: "127.0.0.1", Port: *cluster}
		for _, r := range strings.Split(*routes, ",") {
			options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: r})
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
}
