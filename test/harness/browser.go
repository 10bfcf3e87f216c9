package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// Browser starts a headless Chromium with a profile of its own and returns its
// first tab; chromedp.NewContext of it opens others. The end of the test closes it.
func Browser(t testing.TB) context.Context {
	t.Helper()
	ctx, stop, err := StartBrowser(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return ctx
}

// StartBrowser is Browser for those who are no test: stop closes it.
func StartBrowser(ctx context.Context) (tab context.Context, stop func(), err error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, nil, errors.New("no Chromium: scripts/install.sh test installs it")
	}
	profile, err := os.MkdirTemp("", "vodwright-browser-")
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("ignore-certificate-errors", true), // the private CA is not in the browser's store
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(alloc)
	stop = func() {
		stopTab()
		stopAlloc()
		_ = os.RemoveAll(profile)
	}
	if err := chromedp.Do(tab); err != nil { // starts it
		stop()
		return nil, nil, err
	}
	return tab, stop, nil
}

// Packages installs what the package.json of a folder asks for, as its
// package-lock.json says if there is one, once for each content of these files
// below test/.cache, and returns the folder that node_modules is in.
func Packages(t testing.TB, name, folder string) string {
	t.Helper()
	hash := sha256.New()
	files := map[string][]byte{}
	for _, file := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if errors.Is(err, fs.ErrNotExist) && file == "package-lock.json" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		files[file] = text
		hash.Write(text)
	}
	cache, err := filepath.Abs(filepath.Join("..", ".cache", fmt.Sprintf("%s-%.8x", name, hash.Sum(nil))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "node_modules")); err == nil {
		return cache
	}
	temp := cache + fmt.Sprintf(".%d", os.Getpid())
	defer os.RemoveAll(temp)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(temp, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := "install"
	if len(files) == 2 {
		command = "ci"
	}
	install := exec.Command("npm", command, "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
	install.Dir = temp
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install the packages of %s: %v\n%s", name, err, out)
	}
	if err := os.Rename(temp, cache); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return cache
}
