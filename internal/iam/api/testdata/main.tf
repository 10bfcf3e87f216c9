terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
variable "endpoint" {}
variable "action" { default = "s3:GetObject" }
variable "description" { default = "made" }
provider "aws" {
  region = "us-east-1"
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}
data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com", "mediaconvert.amazonaws.com"]
    }
  }
}
data "aws_iam_policy_document" "read" {
  statement {
    actions   = [var.action, "s3:ListBucket"]
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
  description          = var.description
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = aws_iam_policy.read.arn
  tags                 = { team = "blue" }
}
resource "aws_iam_role_policy" "write" {
  name   = "write"
  role   = aws_iam_role.worker.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = [var.action], Resource = "arn:aws:s3:::out/*" }] })
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
output "key" { value = aws_iam_access_key.anna.id }
output "role" { value = data.aws_iam_role.worker.arn }
