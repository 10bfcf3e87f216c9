# A whole stack of CloudFront's resources, and nothing else: what Terraform applies
# it must find again, twice. The buckets are there already.

variable "public_key" { type = string }
variable "monitor" {
  type    = bool
  default = true
}
variable "comment" {
  type    = string
  default = "streams"
}

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  default_tags { tags = { Stack = "distribution" } }
}

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

data "aws_cloudfront_cache_policy" "optimized" { name = "Managed-CachingOptimized" }
data "aws_cloudfront_cache_policy" "disabled" { name = "Managed-CachingDisabled" }
data "aws_cloudfront_origin_request_policy" "cors" { name = "Managed-CORS-S3Origin" }
data "aws_cloudfront_origin_request_policy" "signed" { name = "Vodwright-SignPlaylists" }
data "aws_cloudfront_response_headers_policy" "cors" { name = "Managed-SimpleCORS" }

resource "aws_cloudfront_origin_access_control" "streams" {
  name                              = "streams"
  description                       = "reads the streams"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_public_key" "viewers" {
  name        = "viewers"
  encoded_key = var.public_key
}

resource "aws_cloudfront_key_group" "viewers" {
  name    = "viewers"
  comment = "who may watch"
  items   = [aws_cloudfront_public_key.viewers.id]
}

resource "aws_cloudfront_cache_policy" "own" {
  name        = "own"
  comment     = "short"
  min_ttl     = 1
  default_ttl = 60
  max_ttl     = 600
  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = true
    enable_accept_encoding_brotli = true
    headers_config {
      header_behavior = "whitelist"
      headers { items = ["X-Tenant"] }
    }
    cookies_config { cookie_behavior = "none" }
    query_strings_config {
      query_string_behavior = "whitelist"
      query_strings { items = ["v", "lang"] }
    }
  }
}

resource "aws_cloudfront_origin_request_policy" "own" {
  name = "own"
  headers_config {
    header_behavior = "whitelist"
    headers { items = ["Origin"] }
  }
  cookies_config { cookie_behavior = "none" }
  query_strings_config { query_string_behavior = "all" }
}

resource "aws_cloudfront_response_headers_policy" "own" {
  name    = "own"
  comment = "for our player"
  cors_config {
    access_control_allow_credentials = false
    access_control_allow_headers { items = ["Range"] }
    access_control_allow_methods { items = ["GET", "HEAD"] }
    access_control_allow_origins { items = ["https://player.example.com"] }
    access_control_expose_headers { items = ["Content-Length"] }
    access_control_max_age_sec = 600
    origin_override            = true
  }
  security_headers_config {
    strict_transport_security {
      access_control_max_age_sec = 63072000
      include_subdomains         = true
      override                   = true
    }
    content_type_options { override = true }
    frame_options {
      frame_option = "DENY"
      override     = true
    }
  }
  custom_headers_config {
    items {
      header   = "X-Played-By"
      value    = "us"
      override = false
    }
  }
  remove_headers_config {
    items { header = "X-Secret" }
  }
  server_timing_headers_config {
    enabled       = true
    sampling_rate = 50
  }
}

resource "aws_wafv2_web_acl" "edge" {
  name        = "edge"
  description = "the core rules"
  scope       = "CLOUDFRONT"
  default_action {
    allow {}
  }
  rule {
    name     = "common"
    priority = 1
    override_action {
      dynamic "count" {
        for_each = var.monitor ? [1] : []
        content {}
      }
      dynamic "none" {
        for_each = var.monitor ? [] : [1]
        content {}
      }
    }
    statement {
      managed_rule_group_statement {
        name        = "AWSManagedRulesCommonRuleSet"
        vendor_name = "AWS"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "common"
      sampled_requests_enabled   = true
    }
  }
  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "edge"
    sampled_requests_enabled   = true
  }
}

resource "aws_cloudfront_distribution" "streams" {
  enabled             = true
  is_ipv6_enabled     = true
  comment             = var.comment
  default_root_object = "index.html"
  price_class         = "PriceClass_100"
  http_version        = "http2and3"
  aliases             = ["video.example.com", "*.video.example.com"]
  web_acl_id          = aws_wafv2_web_acl.edge.arn
  tags                = { Name = "streams" }

  origin {
    origin_id                = "streams"
    domain_name              = "streams.s3.us-east-1.amazonaws.com"
    origin_access_control_id = aws_cloudfront_origin_access_control.streams.id
  }
  origin {
    origin_id                = "pages"
    domain_name              = "pages.s3.us-east-1.amazonaws.com"
    origin_path              = "/site"
    origin_access_control_id = aws_cloudfront_origin_access_control.streams.id
    origin_shield {
      enabled              = true
      origin_shield_region = "us-east-1"
    }
  }

  default_cache_behavior {
    target_origin_id           = "pages"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.optimized.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.cors.id
    response_headers_policy_id = data.aws_cloudfront_response_headers_policy.cors.id
  }
  ordered_cache_behavior {
    path_pattern               = "/private/*"
    target_origin_id           = "streams"
    viewer_protocol_policy     = "https-only"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = aws_cloudfront_cache_policy.own.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.signed.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.own.id
    trusted_key_groups         = [aws_cloudfront_key_group.viewers.id]
  }
  ordered_cache_behavior {
    path_pattern             = "/live/*.m3u8"
    target_origin_id         = "streams"
    viewer_protocol_policy   = "allow-all"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD", "OPTIONS"]
    cache_policy_id          = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.own.id
  }
  ordered_cache_behavior {
    path_pattern           = "/old/*"
    target_origin_id       = "streams"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    min_ttl                = 0
    default_ttl            = 3600
    max_ttl                = 86400
    forwarded_values {
      query_string            = true
      query_string_cache_keys = ["v"]
      headers                 = ["Origin"]
      cookies { forward = "none" }
    }
  }

  custom_error_response {
    error_code            = 403
    response_code         = 404
    response_page_path    = "/errors/404.html"
    error_caching_min_ttl = 5
  }
  custom_error_response {
    error_code = 500
  }

  logging_config {
    bucket          = "logs.s3.amazonaws.com"
    prefix          = "edge/"
    include_cookies = true
  }

  restrictions {
    geo_restriction {
      restriction_type = "whitelist"
      locations        = ["AT", "DE"]
    }
  }

  viewer_certificate {
    acm_certificate_arn      = "arn:aws:acm:us-east-1:000000000000:certificate/6e4a5c2b-9a3d-4f6e-8b9c-1d2e3f4a5b6c"
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

resource "aws_cloudfront_distribution" "plain" {
  enabled = true
  origin {
    origin_id   = "o"
    domain_name = "streams.s3.amazonaws.com"
  }
  default_cache_behavior {
    target_origin_id       = "o"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    forwarded_values {
      query_string = false
      cookies { forward = "none" }
    }
  }
  restrictions {
    geo_restriction { restriction_type = "none" }
  }
  viewer_certificate { cloudfront_default_certificate = true }
}

output "id" { value = aws_cloudfront_distribution.streams.id }
output "domain" { value = aws_cloudfront_distribution.streams.domain_name }
