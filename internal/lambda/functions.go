package lambda

import (
	"context"
	"net/http"
	"runtime"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

// Defaults of a new function.
const (
	defaultTimeout = 3
	defaultMemory  = 128
	defaultStorage = 512
	// maxDirect is the limit of a package within a request.
	maxDirect = 52428800
)

// settings are the members that creating and configuring share.
type settings struct {
	description, handler, role *string
	runtime                    wire.Runtime
	timeout, memory            *int32
	environment                *wire.Environment
	storage                    *wire.EphemeralStorage
	deadLetter                 *wire.DeadLetterConfig
	logging                    *wire.LoggingConfig
	tracing                    *wire.TracingConfig

	layers  []string
	vpc     *wire.VpcConfig
	files   []*wire.FileSystemConfig
	image   *wire.ImageConfig
	key     *string
	snap    *wire.SnapStart
	durable *wire.DurableConfig
	fleet   *wire.CapacityProviderConfig
}

// check refuses what Vodwright does not have, by name.
func (s *settings) check() error {
	refuse := func(is bool, what, why string) error {
		if is {
			return invalid("%s is not available on Vodwright", what).WithHint("%s", why)
		}
		return nil
	}
	for _, err := range []error{
		refuse(len(s.layers) > 0, "Layers", "put what the layer holds into the function's package"),
		refuse(s.vpc != nil && len(s.vpc.SubnetIds)+len(s.vpc.SecurityGroupIds) > 0, "VpcConfig", "functions use this machine's network"),
		refuse(len(s.files) > 0, "FileSystemConfigs", "use a bucket"),
		refuse(s.image != nil, "ImageConfig", "functions are made from zip packages"),
		refuse(value(s.key) != "", "KMSKeyArn", "there is no key management"),
		refuse(s.snap != nil && s.snap.ApplyOn == wire.SnapStartApplyOnPublishedversions, "SnapStart", "leave it out, or ask for None"),
		refuse(s.durable != nil, "DurableConfig", "leave it out"),
		refuse(s.fleet != nil, "CapacityProviderConfig", "leave it out"),
		refuse(s.logging != nil && s.logging.LogFormat == wire.LogFormatJson, "LoggingConfig.LogFormat JSON", "logs are written as Text"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// apply changes what was given.
func (s *settings) apply(v *function.Version) {
	set := func(p *string, to *string) {
		if p != nil {
			*to = *p
		}
	}
	number := func(p *int32, to *int) {
		if p != nil {
			*to = int(*p)
		}
	}
	set(s.description, &v.Description)
	set(s.handler, &v.Handler)
	set(s.role, &v.Role)
	if s.runtime != "" {
		v.Runtime = string(s.runtime)
	}
	number(s.timeout, &v.TimeoutSeconds)
	number(s.memory, &v.MemoryMB)
	if s.environment != nil {
		v.Environment = s.environment.Variables
	}
	if s.storage != nil {
		number(s.storage.Size, &v.StorageMB)
	}
	if s.deadLetter != nil {
		v.DeadLetter = value(s.deadLetter.TargetArn)
	}
	if s.logging != nil {
		v.LogGroup = value(s.logging.LogGroup)
	}
	if s.tracing != nil {
		v.Tracing = string(s.tracing.Mode)
	}
}

// passRole asks whether the function may have the role.
func (a *API) passRole(ctx context.Context, call *apiserver.Call, role string) error {
	if a.cfg.PassRole == nil {
		return nil
	}
	err := a.cfg.PassRole(ctx, call.Identity, role)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return invalid("The role defined for the function cannot be assumed by Lambda.").
			WithHint("the role must exist and its trust policy must allow sts:AssumeRole to lambda.amazonaws.com")
	}
	return err
}

// readCode returns the package that a request names, checked for being one place.
func (a *API) readCode(ctx context.Context, call *apiserver.Call, op string, zip []byte, bucket, key, version, image *string) ([]byte, error) {
	switch {
	case image != nil:
		return nil, invalid("PackageType Image is not available on Vodwright").WithHint("make the function from a zip package")
	case zip != nil && (bucket != nil || key != nil):
		return nil, invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case zip != nil:
		if len(zip) > maxDirect {
			return nil, fault.New(fault.Limit, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the %s operation", maxDirect*4/3+167, op).
				WithHint("put the package into a bucket and name it with S3Bucket and S3Key")
		}
		return zip, nil
	case bucket == nil || key == nil:
		return nil, invalid("Please provide a source for function code.")
	case a.cfg.Buckets == nil:
		return nil, invalid("code from a bucket is not available here")
	}
	from, err := a.cfg.Buckets.OpenObject(ctx, call.Identity, *bucket, *key, value(version))
	switch f := fault.Of(err); {
	case f == nil:
	case f.Kind == fault.NotFound || f.Kind == fault.Invalid:
		return nil, invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", f.Code, f.Message)
	case f.Kind == fault.Denied:
		return nil, fault.New(fault.Denied, "AccessDeniedException", "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. S3 Error Code: AccessDenied. S3 Error Message: %s", *bucket, *key, f.Message)
	default:
		return nil, err
	}
	data, err := function.ReadPackage(from)
	if closeErr := from.Close(); err == nil {
		err = closeErr
	}
	return data, err
}

func hostArchitecture() wire.Architecture {
	if runtime.GOARCH == "arm64" {
		return wire.ArchitectureArm64
	}
	return wire.ArchitectureX86_64
}

func (a *API) createFunction(ctx context.Context, call *apiserver.Call, in *wire.CreateFunctionInput) (*wire.CreateFunctionOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, nil)
	if err == nil && qualifier != "" {
		err = invalid("the name of a new function has no qualifier")
	}
	if err != nil {
		return nil, err
	}
	s := settings{
		description: in.Description, handler: in.Handler, role: in.Role, runtime: in.Runtime, timeout: in.Timeout, memory: in.MemorySize,
		environment: in.Environment, storage: in.EphemeralStorage, deadLetter: in.DeadLetterConfig, logging: in.LoggingConfig, tracing: in.TracingConfig,
		layers: in.Layers, vpc: in.VpcConfig, files: in.FileSystemConfigs, image: in.ImageConfig, key: in.KMSKeyArn, snap: in.SnapStart,
		durable: in.DurableConfig, fleet: in.CapacityProviderConfig,
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	switch {
	case in.PackageType == wire.PackageTypeImage:
		return nil, invalid("PackageType Image is not available on Vodwright").WithHint("make the function from a zip package")
	case value(in.CodeSigningConfigArn) != "" || in.TenancyConfig != nil || in.PublishTo != "":
		return nil, invalid("CodeSigningConfigArn, TenancyConfig and PublishTo are not available on Vodwright")
	}
	if err := a.passRole(ctx, call, value(in.Role)); err != nil {
		return nil, err
	}
	code, err := a.readCode(ctx, call, "CreateFunction", in.Code.ZipFile, in.Code.S3Bucket, in.Code.S3Key, in.Code.S3ObjectVersion, in.Code.ImageUri)
	if err != nil {
		return nil, err
	}
	v := function.Version{TimeoutSeconds: defaultTimeout, MemoryMB: defaultMemory, StorageMB: defaultStorage, Architecture: string(hostArchitecture())}
	if len(in.Architectures) > 0 {
		v.Architecture = string(in.Architectures[0])
	}
	s.apply(&v)
	fn, made, err := a.fns.Create(ctx, function.Definition{Name: name, Version: v, Tags: in.Tags, Publish: value(in.Publish)}, code)
	if err != nil {
		return nil, err
	}
	return a.configuration(fn, made, numbered(made)), nil
}

// numbered is the qualifier of a published version, or nothing.
func numbered(v function.Version) string {
	if v.Number == function.Latest {
		return ""
	}
	return v.Number
}

func (a *API) get(ctx context.Context, name, qualifier *string) (function.Function, *wire.FunctionConfiguration, function.Version, error) {
	n, q, err := a.parse(name, qualifier)
	if err != nil {
		return function.Function{}, nil, function.Version{}, err
	}
	fn, v, err := a.fns.Get(ctx, n, q)
	if err != nil {
		return fn, nil, v, err
	}
	return fn, a.configuration(fn, v, q), v, nil
}

func (a *API) getFunction(ctx context.Context, call *apiserver.Call, in *wire.GetFunctionInput) (*wire.GetFunctionOutput, error) {
	fn, c, v, err := a.get(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &wire.GetFunctionOutput{
		Configuration: c, Code: &wire.FunctionCodeLocation{RepositoryType: new("S3"), Location: new(call.BaseURL + a.packageURL(fn.Name, v.Number))},
	}
	if len(fn.Tags) > 0 {
		out.Tags = fn.Tags
	}
	if fn.Reserved != nil {
		out.Concurrency = &wire.Concurrency{ReservedConcurrentExecutions: new(int32(*fn.Reserved))}
	}
	return out, nil
}

func (a *API) getFunctionConfiguration(ctx context.Context, _ *apiserver.Call, in *wire.GetFunctionConfigurationInput) (*wire.GetFunctionConfigurationOutput, error) {
	_, c, _, err := a.get(ctx, in.FunctionName, in.Qualifier)
	return c, err
}

// unqualified reads a name that must be of a whole function.
func (a *API) unqualified(name *string) (string, error) {
	n, q, err := a.parse(name, nil)
	if err == nil && q != "" && q != function.Latest {
		err = invalid("The operation is not supported on a qualified function: %s", a.fns.ARN(n, q))
	}
	return n, err
}

func (a *API) updateFunctionCode(ctx context.Context, call *apiserver.Call, in *wire.UpdateFunctionCodeInput) (*wire.UpdateFunctionCodeOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.fns.Get(ctx, name, ""); err != nil {
		return nil, err
	}
	if in.PublishTo != "" || value(in.SourceKMSKeyArn) != "" {
		return nil, invalid("PublishTo and SourceKMSKeyArn are not available on Vodwright")
	}
	code, err := a.readCode(ctx, call, "UpdateFunctionCode", in.ZipFile, in.S3Bucket, in.S3Key, in.S3ObjectVersion, in.ImageUri)
	if err != nil {
		return nil, err
	}
	change := function.CodeChange{Zip: code, Revision: value(in.RevisionId), Publish: value(in.Publish), DryRun: value(in.DryRun)}
	if len(in.Architectures) > 0 {
		change.Architecture = string(in.Architectures[0])
	}
	fn, made, err := a.fns.UpdateCode(ctx, name, change)
	if err != nil {
		return nil, err
	}
	return a.configuration(fn, made, numbered(made)), nil
}

func (a *API) updateFunctionConfiguration(ctx context.Context, call *apiserver.Call, in *wire.UpdateFunctionConfigurationInput) (*wire.UpdateFunctionConfigurationOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	s := settings{
		description: in.Description, handler: in.Handler, role: in.Role, runtime: in.Runtime, timeout: in.Timeout, memory: in.MemorySize,
		environment: in.Environment, storage: in.EphemeralStorage, deadLetter: in.DeadLetterConfig, logging: in.LoggingConfig, tracing: in.TracingConfig,
		layers: in.Layers, vpc: in.VpcConfig, files: in.FileSystemConfigs, image: in.ImageConfig, key: in.KMSKeyArn, snap: in.SnapStart,
		durable: in.DurableConfig, fleet: in.CapacityProviderConfig,
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, "")
	if err != nil {
		return nil, err
	}
	if in.Role != nil && *in.Role != fn.Latest.Role {
		if err := a.passRole(ctx, call, *in.Role); err != nil {
			return nil, err
		}
	}
	fn, err = a.fns.Configure(ctx, name, value(in.RevisionId), s.apply)
	if err != nil {
		return nil, err
	}
	return a.configuration(fn, fn.Latest, ""), nil
}

func (a *API) deleteFunction(ctx context.Context, _ *apiserver.Call, in *wire.DeleteFunctionInput) (*wire.DeleteFunctionOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &wire.DeleteFunctionOutput{StatusCode: new(int32(http.StatusNoContent))}, a.fns.Delete(ctx, name, qualifier)
}

func (a *API) listFunctions(ctx context.Context, _ *apiserver.Call, in *wire.ListFunctionsInput) (*wire.ListFunctionsOutput, error) {
	all, err := a.fns.List(ctx)
	if err != nil {
		return nil, err
	}
	list := []*wire.FunctionConfiguration{}
	for _, fn := range all {
		if in.FunctionVersion != wire.FunctionVersionAll {
			list = append(list, a.configuration(fn, fn.Latest, ""))
			continue
		}
		list = append(list, a.configuration(fn, fn.Latest, function.Latest))
		for _, v := range fn.Published {
			list = append(list, a.configuration(fn, v, v.Number))
		}
	}
	out := &wire.ListFunctionsOutput{}
	out.Functions, out.NextMarker = pageOf(list, in.Marker, in.MaxItems, 50, func(c *wire.FunctionConfiguration) string { return *c.FunctionArn })
	return out, nil
}

func (a *API) listVersions(ctx context.Context, _ *apiserver.Call, in *wire.ListVersionsByFunctionInput) (*wire.ListVersionsByFunctionOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, "")
	if err != nil {
		return nil, err
	}
	list := []*wire.FunctionConfiguration{a.configuration(fn, fn.Latest, function.Latest)}
	for _, v := range fn.Published {
		list = append(list, a.configuration(fn, v, v.Number))
	}
	out := &wire.ListVersionsByFunctionOutput{}
	out.Versions, out.NextMarker = pageOf(list, in.Marker, in.MaxItems, 50, func(c *wire.FunctionConfiguration) string { return *c.Version })
	return out, nil
}

func (a *API) publishVersion(ctx context.Context, _ *apiserver.Call, in *wire.PublishVersionInput) (*wire.PublishVersionOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	fn, v, err := a.fns.Publish(ctx, name, value(in.CodeSha256), value(in.RevisionId), in.Description)
	if err != nil {
		return nil, err
	}
	return a.configuration(fn, v, v.Number), nil
}
