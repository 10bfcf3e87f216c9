package lambda

import (
	"crypto/sha256"
	"encoding/hex"

	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/function"
)

// lastModified is how functions say when they were changed.
const lastModified = "2006-01-02T15:04:05.000-0700"

// configuration is a version on the wire. The qualifier is in its ARN, when there is one.
func (a *API) configuration(fn function.Function, v function.Version, qualifier string) *wire.FunctionConfiguration {
	c := &wire.FunctionConfiguration{
		FunctionName: &fn.Name, FunctionArn: new(a.fns.ARN(fn.Name, qualifier)), Version: &v.Number,
		Runtime: wire.Runtime(v.Runtime), Handler: &v.Handler, Role: &v.Role, Description: &v.Description,
		Timeout: new(int32(v.TimeoutSeconds)), MemorySize: new(int32(v.MemoryMB)), CodeSize: &v.CodeSize, CodeSha256: &v.SHA256,
		RevisionId: &v.Revision, LastModified: new(v.Modified.UTC().Format(lastModified)),
		State: wire.StateActive, LastUpdateStatus: wire.LastUpdateStatusSuccessful, PackageType: wire.PackageTypeZip,
		Architectures:        []wire.Architecture{wire.Architecture(v.Architecture)},
		EphemeralStorage:     &wire.EphemeralStorage{Size: new(int32(v.StorageMB))},
		TracingConfig:        &wire.TracingConfigResponse{Mode: wire.TracingMode(v.Tracing)},
		SnapStart:            &wire.SnapStartResponse{ApplyOn: wire.SnapStartApplyOnNone, OptimizationStatus: wire.SnapStartOptimizationStatusOff},
		RuntimeVersionConfig: &wire.RuntimeVersionConfig{RuntimeVersionArn: new(a.runtimeARN(v.Runtime))},
		LoggingConfig:        &wire.LoggingConfig{LogFormat: wire.LogFormatText, LogGroup: new(fn.LogGroup(v))},
	}
	if v.Tracing == "" {
		c.TracingConfig.Mode = wire.TracingModePassthrough
	}
	if len(v.Environment) > 0 {
		c.Environment = &wire.EnvironmentResponse{Variables: v.Environment}
	}
	if v.DeadLetter != "" {
		c.DeadLetterConfig = &wire.DeadLetterConfig{TargetArn: &v.DeadLetter}
	}
	return c
}

// runtimeARN names the version of a runtime: here, the machine's.
func (a *API) runtimeARN(runtime string) string {
	sum := sha256.Sum256([]byte(runtime))
	return "arn:aws:lambda:" + a.cfg.Region + "::runtime:" + hex.EncodeToString(sum[:])
}

func aliasConfiguration(arn string, x function.Alias) *wire.AliasConfiguration {
	c := &wire.AliasConfiguration{AliasArn: &arn, Name: &x.Name, FunctionVersion: &x.Version, Description: &x.Description, RevisionId: &x.Revision}
	if len(x.Weights) > 0 {
		c.RoutingConfig = &wire.AliasRoutingConfiguration{AdditionalVersionWeights: x.Weights}
	}
	return c
}
