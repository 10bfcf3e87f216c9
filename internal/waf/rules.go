package waf

import (
	"io/fs"
	"strings"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
)

// directives set up the core rule set at paranoia level 1 for a distribution that
// is only read from: no bodies are looked at, in either direction. Only rules for
// requests are loaded.
const directives = `
SecRuleEngine On
SecRequestBodyAccess Off
SecResponseBodyAccess Off
SecAuditEngine Off
SecArgumentsLimit 1000

SecAction "id:900990,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250"
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=1"
SecAction "id:900110,phase:1,pass,t:none,nolog,setvar:tx.inbound_anomaly_score_threshold=5,setvar:tx.outbound_anomaly_score_threshold=4"
SecAction "id:900200,phase:1,pass,t:none,nolog,setvar:'tx.allowed_methods=GET HEAD POST PUT PATCH DELETE OPTIONS'"
SecDefaultAction "phase:1,log,noauditlog,pass"
SecDefaultAction "phase:2,log,noauditlog,pass"

# Keys of encrypted streams are called .key as a matter of course.
SecAction "id:900240,phase:1,pass,t:none,nolog,setvar:'tx.restricted_extensions=` + restrictedExtensions + `'"
`

// removed are rules that do not fit: a server without a name is asked for by its
// address, which is no sign of an attack (920350); no body is to be inspected (901340).
const removed = "SecRuleRemoveById 920350 901340\n"

// restrictedExtensions are the core rule set's, without .key and .pem.
const restrictedExtensions = ".ani/ .asa/ .asax/ .ascx/ .back/ .backup/ .bak/ .bck/ .bk/ .bkp/ .bat/ .cdx/ .cer/ .cfg/ .cmd/ .cnf/ .com/ .compositefont/ " +
	".config/ .conf/ .copy/ .crt/ .cs/ .csproj/ .csr/ .dat/ .db/ .dbf/ .dist/ .dll/ .dos/ .dpkg-dist/ .drv/ .gadget/ .hta/ .htr/ .htw/ .ida/ .idc/ .idq/ " +
	".inc/ .inf/ .ini/ .jks/ .jse/ .licx/ .lnk/ .log/ .mdb/ .msc/ .ocx/ .old/ .pass/ .pdb/ .pfx/ .pif/ .pol/ .prf/ .printer/ .pwd/ .rdb/ .rdp/ .reg/ " +
	".resources/ .resx/ .sav/ .save/ .scr/ .sct/ .sh/ .shs/ .sql/ .sqlite/ .sqlite3/ .swap/ .swo/ .swp/ .sys/ .temp/ .tfstate/ .tlb/ .tmp/ .vb/ .vbe/ " +
	".vbs/ .vbproj/ .vsdisco/ .vxd/ .webinfo/ .ws/ .wsc/ .wsf/ .wsh/ .xsd/ .xsx/"

// load compiles the rules. It takes some hundred milliseconds and tens of megabytes.
func load() (coraza.WAF, error) {
	text := directives
	names, err := fs.Glob(coreruleset.FS, "@owasp_crs/REQUEST-*.conf")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.Contains(name, "-922-") { // multipart bodies
			text += "Include " + name + "\n"
		}
	}
	text += removed
	return coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(text))
}
