package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mediaconvert"
)

type templateCmd struct {
	Import importCmd `cmd:"" help:"Make a job template of a file that the AWS console, the API or vodwright exported."`
	Export exportCmd `cmd:"" help:"Print a job template as the AWS console exports it."`
}

type importCmd struct {
	dataFlag
	File    string `arg:"" help:"Template or job, as JSON in PascalCase or camelCase; - is standard input."`
	Name    string `help:"Name of the template; default: the file's own, else the file's name." placeholder:"NAME"`
	Replace bool   `help:"Replace the template if one of the name exists."`
}

func (importCmd) Help() string {
	return `A job becomes a template without its role and its input files.

Examples:
  vodwright template import job_template.json
  vodwright template import job.json --name ladder --replace
  vodwright template export vod-hls | vodwright template import - --name copy`
}

// Run reads the file and makes the template.
func (c *importCmd) Run(p *program) error {
	text, err := c.read(p)
	if err != nil {
		return err
	}
	doc, err := mediaconvert.ParseTemplate(text)
	if err != nil {
		return fmt.Errorf("import %q: %w", c.File, err)
	}
	name := c.Name
	if name == "" && doc.Template.Name != nil {
		name = *doc.Template.Name
	}
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))
	}
	if name == "" || name == "-" {
		return fault.New(fault.Invalid, "", "the template on standard input has no name").WithHint("give one with --name")
	}
	doc.Template.Name = &name
	cl, err := connect(p, c.Data)
	if err != nil {
		return err
	}
	var made mc.CreateJobTemplateResponse
	err = cl.jobsCall(p.ctx, "POST", "/jobTemplates", doc.Template, &made)
	if c.Replace && fault.Is(err, fault.Conflict) {
		err = cl.jobsCall(p.ctx, "PUT", "/jobTemplates/"+url.PathEscape(name), doc.Template, &made)
	}
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "", "there is a job template %q already", name).WithHint("use --replace, or --name for another one")
	}
	if err != nil {
		return fmt.Errorf("make job template %q: %w", name, err)
	}
	out := map[string]any{"name": name, "unknown": append([]string{}, doc.Unknown...), "dropped": append([]string{}, doc.Dropped...)}
	said := fmt.Sprintf("job template %s\n", name)
	if made.JobTemplate != nil && made.JobTemplate.Arn != nil {
		out["arn"] = *made.JobTemplate.Arn
		said += "  " + *made.JobTemplate.Arn + "\n"
	}
	for _, path := range doc.Dropped {
		said += "  without " + path + ", which is of one job\n"
	}
	for _, path := range doc.Unknown {
		said += "  without the unknown " + path + "\n"
	}
	return p.print(out, said)
}

// maxTemplate bounds a file that is read as a template, in bytes.
const maxTemplate = 4 << 20

func (c *importCmd) read(p *program) ([]byte, error) {
	in := p.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, fault.New(fault.NotFound, "", "read template: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTemplate+1))
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "read template %q: %w", c.File, err)
	}
	if len(text) > maxTemplate {
		return nil, fault.New(fault.Limit, "", "the template %q is larger than %d bytes", c.File, maxTemplate)
	}
	return text, nil
}

type exportCmd struct {
	dataFlag
	Name string `arg:"" help:"Name of the template."`
}

func (exportCmd) Help() string {
	return `The document has the console's form: PascalCase, with Settings as boto3 takes them.

Examples:
  vodwright template export vod-hls > job_template.json
  vodwright template export vod-hls | jq .Settings.OutputGroups[0].Outputs`
}

// Run prints the template; it is JSON with and without --json.
func (c *exportCmd) Run(p *program) error {
	cl, err := connect(p, c.Data)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	err = cl.jobsCall(p.ctx, "GET", "/jobTemplates/"+url.PathEscape(c.Name), nil, &answer)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "", "there is no job template %q", c.Name).WithHint("aws mediaconvert list-job-templates shows what is there")
	}
	if err != nil {
		return fmt.Errorf("read job template %q: %w", c.Name, err)
	}
	doc, err := mediaconvert.ExportAnswer(answer)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(doc)
	return err
}
