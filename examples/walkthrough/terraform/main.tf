# The stack of cli.sh as code: storage, roles, distribution, queue, function, trigger.
#
#   eval "$(vodwright env)"
#   examples/walkthrough/terraform/package.sh      # build/function.zip
#   terraform init && terraform apply
#
# The provider finds Vodwright by AWS_ENDPOINT_URL; the same stack applies to AWS.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_region_validation      = true
  skip_metadata_api_check     = true
}

variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "walkthrough-tf"
}

variable "caching" {
  description = "Managed cache policy: Managed-CachingOptimized, or Managed-CachingDisabled to debug."
  type        = string
  default     = "Managed-CachingOptimized"
}

data "aws_caller_identity" "me" {}

# Storage

resource "aws_s3_bucket" "source" {
  bucket        = "${var.name}-source"
  force_destroy = true
}

resource "aws_s3_bucket" "streams" {
  bucket        = "${var.name}-streams"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "streams" {
  bucket = aws_s3_bucket.streams.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_cors_configuration" "streams" {
  bucket = aws_s3_bucket.streams.id
  cors_rule {
    allowed_origins = ["*"]
    allowed_methods = ["GET", "HEAD"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3000
  }
}

resource "aws_s3_bucket_public_access_block" "private" {
  for_each                = { source = aws_s3_bucket.source.id, streams = aws_s3_bucket.streams.id }
  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "streams" {
  bucket = aws_s3_bucket.streams.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "streams" {
  bucket = aws_s3_bucket.streams.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "streams" {
  bucket = aws_s3_bucket.streams.id
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

# Roles

data "aws_iam_policy_document" "trust" {
  for_each = toset(["mediaconvert", "lambda"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.value}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "transcoding" {
  name               = "${var.name}-transcoding"
  assume_role_policy = data.aws_iam_policy_document.trust["mediaconvert"].json
}

resource "aws_iam_policy" "buckets" {
  name = "${var.name}-buckets"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:GetObject"], Resource = "${aws_s3_bucket.source.arn}/*" },
      { Effect = "Allow", Action = ["s3:PutObject", "s3:DeleteObject"], Resource = "${aws_s3_bucket.streams.arn}/*" },
      { Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = [aws_s3_bucket.source.arn, aws_s3_bucket.streams.arn] },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "transcoding" {
  role       = aws_iam_role.transcoding.name
  policy_arn = aws_iam_policy.buckets.arn
}

resource "aws_iam_role" "automation" {
  name               = "${var.name}-automation"
  assume_role_policy = data.aws_iam_policy_document.trust["lambda"].json
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.automation.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy" "jobs" {
  name = "jobs"
  role = aws_iam_role.automation.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["mediaconvert:CreateJob", "mediaconvert:DescribeEndpoints"], Resource = "*" },
      { Effect = "Allow", Action = "iam:PassRole", Resource = aws_iam_role.transcoding.arn },
    ]
  })
}

# Transcoding

resource "aws_media_convert_queue" "uploads" {
  name   = "${var.name}-uploads"
  status = "ACTIVE"
  tags   = { stack = var.name }
}

# Automation

resource "aws_cloudwatch_log_group" "automation" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 14
}

resource "aws_lambda_function" "automation" {
  function_name    = var.name
  role             = aws_iam_role.automation.arn
  runtime          = "python3.13"
  handler          = "handler.handler"
  timeout          = 120
  memory_size      = 256
  filename         = "${path.module}/build/function.zip"
  source_code_hash = filebase64sha256("${path.module}/build/function.zip")
  environment {
    variables = {
      DESTINATION_BUCKET = aws_s3_bucket.streams.id
      MEDIACONVERT_ROLE  = aws_iam_role.transcoding.arn
    }
  }
  depends_on = [aws_cloudwatch_log_group.automation, aws_iam_role_policy_attachment.logs]
}

resource "aws_lambda_function_event_invoke_config" "automation" {
  function_name                = aws_lambda_function.automation.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600
}

resource "aws_lambda_permission" "uploads" {
  statement_id   = "uploads"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.automation.function_name
  principal      = "s3.amazonaws.com"
  source_arn     = aws_s3_bucket.source.arn
  source_account = data.aws_caller_identity.me.account_id
}

resource "aws_s3_bucket_notification" "uploads" {
  bucket = aws_s3_bucket.source.id
  lambda_function {
    id                  = "uploads"
    lambda_function_arn = aws_lambda_function.automation.arn
    events              = ["s3:ObjectCreated:*"]
  }
  depends_on = [aws_lambda_permission.uploads]
}

resource "aws_cloudwatch_event_rule" "finished" {
  name        = "${var.name}-finished"
  description = "Jobs that ended"
  event_pattern = jsonencode({
    source      = ["aws.mediaconvert"]
    detail-type = ["MediaConvert Job State Change"]
    detail      = { status = ["COMPLETE", "ERROR"] }
  })
}

resource "aws_cloudwatch_event_target" "finished" {
  rule = aws_cloudwatch_event_rule.finished.name
  arn  = aws_lambda_function.finished.arn
}

# Writes each job's end into its log.
resource "aws_lambda_function" "finished" {
  function_name    = "${var.name}-finished"
  role             = aws_iam_role.automation.arn
  runtime          = "python3.13"
  handler          = "finished.handler"
  filename         = "${path.module}/build/function.zip"
  source_code_hash = filebase64sha256("${path.module}/build/function.zip")
}

resource "aws_lambda_permission" "finished" {
  statement_id  = "rule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.finished.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.finished.arn
}
