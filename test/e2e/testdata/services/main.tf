# What Terraform keeps in the other services: users, roles and policies, a queue, a
# function, a log group, rules and a webhook. `changed` changes something of each.

variable "code" { type = string }
variable "changed" { type = bool }

terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" { region = "us-east-1" }

locals {
  action = var.changed ? "s3:PutObject" : "s3:GetObject"
}

# Identities

data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com", "events.amazonaws.com"]
    }
  }
}
data "aws_iam_policy_document" "read" {
  statement {
    actions   = [local.action, "s3:ListBucket"]
    resources = ["arn:aws:s3:::films", "arn:aws:s3:::films/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [data.aws_caller_identity.me.account_id]
    }
  }
}
resource "aws_iam_policy" "read" {
  name   = "read"
  path   = "/films/"
  policy = data.aws_iam_policy_document.read.json
  tags   = { team = "blue" }
}
resource "aws_iam_role" "worker" {
  name                 = "worker"
  path                 = "/films/"
  description          = var.changed ? "changed" : "made"
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = aws_iam_policy.read.arn
  tags                 = { team = "blue" }
}
resource "aws_iam_role_policy" "write" {
  name   = "write"
  role   = aws_iam_role.worker.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = [local.action], Resource = "arn:aws:s3:::out/*" }] })
}
resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.worker.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.worker.name
  policy_arn = aws_iam_policy.read.arn
}
resource "aws_iam_user" "anna" {
  name          = "anna"
  path          = "/team/"
  force_destroy = true
  tags          = { team = "blue" }
}
resource "aws_iam_user_policy" "anna" {
  name   = "own"
  user   = aws_iam_user.anna.name
  policy = data.aws_iam_policy_document.read.json
}
resource "aws_iam_user_policy_attachment" "anna" {
  user       = aws_iam_user.anna.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}
resource "aws_iam_access_key" "anna" {
  user = aws_iam_user.anna.name
}
data "aws_iam_role" "worker" { name = aws_iam_role.worker.name }
data "aws_iam_policy" "basic" { arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" }

# A queue of jobs, and a log group

resource "aws_media_convert_queue" "q" {
  name        = "q"
  status      = var.changed ? "ACTIVE" : "PAUSED"
  description = var.changed ? "d" : null
  tags        = var.changed ? { a = "b" } : null
}
resource "aws_cloudwatch_log_group" "g" {
  name              = "/aws/lambda/x"
  retention_in_days = var.changed ? 30 : 14
  tags              = { stack = var.changed ? "two" : "one" }
}

# A function

resource "aws_lambda_function" "f" {
  function_name    = "stack"
  role             = aws_iam_role.worker.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = var.code
  source_code_hash = filebase64sha256(var.code)
  timeout          = var.changed ? 6 : 5
  environment { variables = { A = "b" } }
  publish = true
  tags    = { team = "video" }
}
resource "aws_lambda_permission" "s3" {
  statement_id   = "s3"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.f.function_name
  principal      = "s3.amazonaws.com"
  source_arn     = "arn:aws:s3:::b"
  source_account = "000000000000"
}
resource "aws_lambda_function_event_invoke_config" "f" {
  function_name                = aws_lambda_function.f.function_name
  maximum_retry_attempts       = 1
  maximum_event_age_in_seconds = 600
  destination_config {
    on_failure { destination = "arn:aws:s3:::logs" }
  }
}
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.f.function_name
  function_version = aws_lambda_function.f.version
}

# Rules, and a signed webhook

resource "aws_cloudwatch_event_rule" "finished" {
  name          = "finished"
  description   = var.changed ? "second" : "first"
  event_pattern = jsonencode({ source = ["my.app"], detail = { status = ["COMPLETE", "ERROR"] } })
  state         = var.changed ? "DISABLED" : "ENABLED"
  tags          = { a = "b" }
}
resource "aws_cloudwatch_event_target" "function" {
  rule = aws_cloudwatch_event_rule.finished.name
  arn  = aws_lambda_function.f.arn
  input_transformer {
    input_paths    = { id = "$.detail.jobId", status = "$.detail.status" }
    input_template = "\"job <id> is <status>\""
  }
}
resource "aws_cloudwatch_event_connection" "c" {
  name               = "c"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "X-Key"
      value = var.changed ? "two" : "one"
    }
    invocation_http_parameters {
      header {
        key   = "X-Tenant"
        value = "t"
      }
    }
  }
}
resource "aws_cloudwatch_event_api_destination" "hook" {
  name                             = "hook"
  invocation_endpoint              = "https://example.com/hook"
  http_method                      = "POST"
  invocation_rate_limit_per_second = var.changed ? 10 : 300
  connection_arn                   = aws_cloudwatch_event_connection.c.arn
}
resource "aws_cloudwatch_event_target" "hook" {
  rule      = aws_cloudwatch_event_rule.finished.name
  target_id = "hook"
  arn       = aws_cloudwatch_event_api_destination.hook.arn
  role_arn  = aws_iam_role.worker.arn
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 5
  }
  dead_letter_config {
    arn = "arn:aws:s3:::logs"
  }
}
