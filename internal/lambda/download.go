package lambda

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// DownloadPath is below what packages are downloaded. No bucket can be called "_".
const DownloadPath = "/_/functions/"

// downloadFor is how long the address of a package works, as in AWS.
const downloadFor = 10 * time.Minute

// packageURL is the address of a version's package, without scheme and host. It
// is the permission to download it, for a while.
func (a *API) packageURL(name, version string) string {
	expires := strconv.FormatInt(a.cfg.Now().Add(downloadFor).Unix(), 10)
	q := url.Values{"expires": {expires}, "signature": {a.sign(name, version, expires)}}
	return DownloadPath + url.PathEscape(name) + "/" + url.PathEscape(version) + ".zip?" + q.Encode()
}

func (a *API) sign(name, version, expires string) string {
	h := hmac.New(sha256.New, a.cfg.Secret[:])
	_, _ = h.Write([]byte(name + "\x00" + version + "\x00" + expires))
	return hex.EncodeToString(h.Sum(nil))
}

// Downloads serves what packageURL names, below DownloadPath.
func (a *API) Downloads() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DownloadPath+"{name}/{file}", func(w http.ResponseWriter, r *http.Request) {
		name, file := r.PathValue("name"), r.PathValue("file")
		version := file[:max(len(file)-len(".zip"), 0)]
		expires := r.URL.Query().Get("expires")
		until, err := strconv.ParseInt(expires, 10, 64)
		given := r.URL.Query().Get("signature")
		if err != nil || file != version+".zip" || a.cfg.Now().Unix() > until || !hmac.Equal([]byte(given), []byte(a.sign(name, version, expires))) {
			http.Error(w, "this address is not valid any more: GetFunction gives a new one", http.StatusForbidden)
			return
		}
		_, v, err := a.fns.Get(r.Context(), name, version)
		if err != nil {
			http.Error(w, "the function is gone", http.StatusNotFound)
			return
		}
		f, err := a.fns.Package(r.Context(), v)
		if err != nil {
			http.Error(w, "the package is gone", http.StatusNotFound)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Disposition", "attachment; filename=\""+name+".zip\"")
		http.ServeContent(w, r, "", v.Modified, f)
	})
	return mux
}
