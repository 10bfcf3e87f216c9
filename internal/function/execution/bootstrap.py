# Runs a Python handler on the Runtime API (2018-06-01), reporting results,
# errors and log lines as Lambda's own Python runtime does. Imports are few: they
# are on the way of every cold start.
import json
import logging
import os
import socket
import sys
import time

ENV = os.environ
BASE = "/2018-06-01/runtime/"


class Api:
    """One kept connection to the Runtime API."""

    def __init__(self, address):
        self.address = address
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def call(self, method, path, body=b"", headers=()):
        head = [f"{method} {BASE}{path} HTTP/1.1", f"Host: {self.address}", f"Content-Length: {len(body)}"]
        head.extend(f"{name}: {value}" for name, value in headers)
        self.sock.sendall(("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace") + body)
        status = self.file.readline()
        if not status:
            os._exit(1)  # the supervisor is gone, and so is the reason to be
        got = {}
        while True:
            line = self.file.readline().rstrip(b"\r\n")
            if not line:
                break
            name, _, value = line.decode("utf-8").partition(":")
            got[name.lower()] = value.strip()
        return int(status.split()[1]), got, self.file.read(int(got.get("content-length", 0)))


class ClientContext:
    def __init__(self, doc):
        client = doc.get("client")
        self.custom, self.env, self.client = doc.get("custom"), doc.get("env"), None
        if client is not None:
            self.client = type("Client", (), {})()
            for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
                setattr(self.client, name, client.get(name))


class Identity:
    cognito_identity_id = cognito_identity_pool_id = None


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = ENV.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = ENV.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = ENV.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = ENV.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = ENV.get("AWS_LAMBDA_LOG_STREAM_NAME")
        client = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        self.identity = Identity()
        self.tenant_id = None
        self._deadline = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


def one_event(message):
    """A line for a message of several: the supervisor turns \\r back into \\n."""
    return message.rstrip("\n").replace("\r\n", "\n").replace("\n", "\r") + "\n"


class LogHandler(logging.Handler):
    request_id = ""

    def emit(self, record):
        record.aws_request_id = LogHandler.request_id
        try:
            sys.stdout.write(one_event(self.format(record)))
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


class Fault(Exception):
    """What is wrong with the function rather than in it, by Lambda's name for it."""

    def __init__(self, name, message, trace=()):
        super().__init__(message)
        self.name, self.trace = name, list(trace)


def describe(error):
    """The error's document, without the frames that lead to the function's own."""
    if isinstance(error, Fault):
        name, trace = error.name, error.trace
    else:
        import traceback

        name = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        while frames and (frames[0].filename == __file__ or "importlib" in frames[0].filename):
            frames = frames[1:]
        trace = traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": name, "requestId": LogHandler.request_id, "stackTrace": trace}


def log_error(doc):
    text = "[ERROR] " + doc["errorType"] + (": " + doc["errorMessage"] if doc["errorMessage"] else "")
    if doc["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(doc["stackTrace"])
    sys.stdout.write(one_event(text))
    sys.stdout.flush()


def load(handler):
    module, dot, function = handler.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    import importlib

    name = module.replace("/", ".")
    try:
        loaded = importlib.import_module(name)
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {e}")
    except SyntaxError as e:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {e}",
                    [f'  File "{e.filename}" Line {e.lineno}\n    {(e.text or "").strip()}\n'])
    try:
        return getattr(loaded, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'")


def encode_extra(value):
    if type(value).__module__ == "decimal":
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class EndpointFinder:
    """Makes a botocore that is older than AWS_ENDPOINT_URL (1.31) heed it, once
    the function imports botocore. Newer ones are left alone."""

    def find_spec(self, name, path=None, target=None):
        if name != "botocore.session":
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            heed_endpoint(module)

        spec.loader.exec_module = exec_module
        return spec


def heed_endpoint(module):
    try:
        from botocore import configprovider

        if hasattr(configprovider, "ConfiguredEndpointProvider"):
            return
        create = module.Session.create_client
    except (ImportError, AttributeError):
        return
    import functools
    import inspect

    position = list(inspect.signature(create).parameters).index("endpoint_url")

    @functools.wraps(create)
    def create_client(*args, **kwargs):
        if len(args) <= position and not kwargs.get("endpoint_url"):
            service = args[1] if len(args) > 1 else kwargs.get("service_name", "")
            if ENV.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
                own = "AWS_ENDPOINT_URL_" + str(service).upper().replace("-", "_").replace(" ", "_")
                url = ENV.get(own) or ENV.get("AWS_ENDPOINT_URL")
                if url:
                    kwargs["endpoint_url"] = url
        return create(*args, **kwargs)

    module.Session.create_client = create_client


def carry_out(handler, api, headers, body):
    context = Context(headers)
    LogHandler.request_id = context.aws_request_id
    ENV["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
    try:
        try:
            event = json.loads(body)
        except ValueError as e:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {e}")
        result = handler(event, context)
        try:
            out = json.dumps(result, default=encode_extra, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except Exception as e:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {e}")
        what, more = "response", [("Content-Type", "application/json")]
    except Exception as e:
        doc = describe(e)
        log_error(doc)
        out, what = json.dumps(doc).encode(), "error"
        more = [("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", doc["errorType"].replace("\n", " "))]
    sys.stdout.flush()
    sys.stderr.flush()
    api.call("POST", f"invocation/{context.aws_request_id}/{what}", out, more)


def main():
    # AWS_LAMBDA_RUNTIME_API and the like are the function's business too: nothing is removed.
    api = Api(ENV["AWS_LAMBDA_RUNTIME_API"])
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    out = LogHandler()
    formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    out.setFormatter(formatter)
    logging.getLogger().addHandler(out)
    level = ENV.get("AWS_LAMBDA_LOG_LEVEL")
    if level:
        logging.getLogger().setLevel({"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level))
    root = ENV["LAMBDA_TASK_ROOT"]
    sys.path[0] = root
    sys.meta_path.insert(0, EndpointFinder())
    try:
        handler = load(ENV["_HANDLER"])
    except Exception as e:
        doc = describe(e)
        log_error(doc)
        api.call("POST", "init/error", json.dumps(doc).encode(),
                 [("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", doc["errorType"])])
        sys.exit(1)
    while True:
        _, headers, body = api.call("GET", "invocation/next")
        carry_out(handler, api, headers, body)


if __name__ == "__main__":
    main()
