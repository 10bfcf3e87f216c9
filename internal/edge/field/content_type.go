package field

import "strings"

// ContentType returns the type to send for a key: the stored one, unless it says
// nothing. Uploads without a type are binary/octet-stream in S3, and players
// refuse playlists under that name. Uploaders that ask the system's table (the
// aws CLI does) call every .ts a translation of Qt's.
func ContentType(stored, key string) string {
	switch strings.ToLower(stored) {
	case "", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded", "text/vnd.trolltech.linguist":
	default:
		return stored
	}
	dot := strings.LastIndexByte(key, '.')
	if dot >= 0 && len(key)-dot <= 8 {
		if t := typeOfExtension(strings.ToLower(key[dot+1:])); t != "" {
			return t
		}
	}
	if stored != "" {
		return stored
	}
	return "application/octet-stream"
}

// typeOfExtension is a table of our own: mime.TypeByExtension depends on the
// machine, and calls .ts what Qt does. Sources: RFC 8216 §4 and §10 (playlists),
// RFC 3555 (mp2t), RFC 4337 (mp4), IANA's registry.
func typeOfExtension(ext string) string {
	switch ext {
	case "m3u8":
		return "application/vnd.apple.mpegurl"
	case "mpd":
		return "application/dash+xml"
	case "ts", "m2ts", "mts":
		return "video/mp2t"
	case "mp4", "m4v", "cmfv":
		return "video/mp4"
	case "m4s":
		return "video/iso.segment"
	case "m4a", "cmfa":
		return "audio/mp4"
	case "cmft":
		return "application/mp4"
	case "webm":
		return "video/webm"
	case "mov":
		return "video/quicktime"
	case "mkv":
		return "video/x-matroska"
	case "aac":
		return "audio/aac"
	case "mp3":
		return "audio/mpeg"
	case "wav":
		return "audio/wav"
	case "vtt":
		return "text/vtt"
	case "srt":
		return "application/x-subrip"
	case "jpg", "jpeg":
		return "image/jpeg"
	case "png":
		return "image/png"
	case "webp":
		return "image/webp"
	case "gif":
		return "image/gif"
	case "svg":
		return "image/svg+xml"
	case "ico":
		return "image/x-icon"
	case "html", "htm":
		return "text/html; charset=utf-8"
	case "css":
		return "text/css; charset=utf-8"
	case "js", "mjs":
		return "text/javascript; charset=utf-8"
	case "json", "map":
		return "application/json"
	case "xml":
		return "application/xml"
	case "txt":
		return "text/plain; charset=utf-8"
	case "pdf":
		return "application/pdf"
	}
	return ""
}

// IsPlaylist reports whether an object changes while its stream lives, by its type.
func IsPlaylist(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl", "application/dash+xml":
		return true
	}
	return false
}
