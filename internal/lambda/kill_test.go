package lambda_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// serveEnv makes the test binary a server that can be killed; its value is the folder.
const serveEnv = "VODWRIGHT_TEST_SERVE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w, handler, run, err := open(context.Background(), dir, l)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, handler) }()
	fmt.Println(w.URL)
	return run(context.Background())
}

// start starts a server over dir, as a process of its own.
func start(t *testing.T, dir string) (*world, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &world{URL: url[:len(url)-1]}, cmd
}

// marked lists the processes that have a text in their environment: functions,
// whatever they were called.
func marked(t *testing.T, mark string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if env, err := os.ReadFile(p); err == nil && bytes.Contains(env, []byte(mark)) {
			pids = append(pids, p)
		}
	}
	return pids
}

func TestKilledServerLeavesNoProcessAndLosesNoEvent(t *testing.T) {
	const events, side = 40, 3
	var mu sync.Mutex
	seen := map[string]int{}
	some := make(chan struct{}, 10*events)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[string(body)]++
		mu.Unlock()
		some <- struct{}{}
	}))
	defer sink.Close()
	mark := fmt.Sprintf("MARK=killed-%d", time.Now().UnixNano())
	dir := t.TempDir()
	w, server := start(t, dir)
	c := client(w)
	_, err := c.CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String(role), Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), Timeout: aws.Int32(30),
		Environment: &types.Environment{Variables: map[string]string{"SINK": sink.URL, "MARK": mark[len("MARK="):]}},
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"app.py": `
import os, subprocess, time, urllib.request
subprocess.Popen(["sleep", "3600"], start_new_session=True)
def handler(event, context):
    time.sleep(0.05)
    urllib.request.urlopen(os.environ["SINK"], data=event["n"].encode()).read()
`})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutFunctionConcurrency(t.Context(), &awslambda.PutFunctionConcurrencyInput{FunctionName: aws.String("f"), ReservedConcurrentExecutions: aws.Int32(side)}); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		_, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: fmt.Appendf(nil, `{"n":"%d"}`, i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		<-some
	}
	if len(marked(t, mark)) == 0 {
		t.Fatal("no function runs: the test would show nothing")
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	for deadline := time.Now().Add(5 * time.Second); len(marked(t, mark)) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", marked(t, mark))
		}
	}
	mu.Lock()
	before := len(seen)
	mu.Unlock()
	if before == events {
		t.Fatal("all was done before the server was killed: the test shows nothing")
	}
	start(t, dir)
	deadline := time.After(time.Minute)
	for {
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if n == events {
			return
		}
		select {
		case <-some:
		case <-deadline:
			t.Fatalf("%d of %d events were handled", n, events)
		}
	}
}
