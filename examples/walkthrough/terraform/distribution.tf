data "aws_cloudfront_cache_policy" "caching" {
  name = var.caching
}

data "aws_cloudfront_cache_policy" "optimized" {
  name = "Managed-CachingOptimized"
}

data "aws_cloudfront_origin_request_policy" "cors" {
  name = "Managed-CORS-S3Origin"
}

data "aws_cloudfront_response_headers_policy" "cors" {
  name = "Managed-SimpleCORS"
}

resource "aws_cloudfront_origin_access_control" "streams" {
  name                              = var.name
  description                       = "Streams are read through the distribution alone"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_wafv2_web_acl" "monitor" {
  name  = var.name
  scope = "CLOUDFRONT"
  default_action {
    allow {}
  }
  rule {
    name     = "core"
    priority = 0
    override_action {
      count {}
    }
    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesCommonRuleSet"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = true
      metric_name                = "core"
    }
  }
  visibility_config {
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = true
    metric_name                = var.name
  }
}

resource "aws_cloudfront_public_key" "viewers" {
  name        = var.name
  encoded_key = file("${path.module}/build/viewers.pem")
}

resource "aws_cloudfront_key_group" "viewers" {
  name  = var.name
  items = [aws_cloudfront_public_key.viewers.id]
}

resource "aws_cloudfront_distribution" "streams" {
  enabled     = true
  comment     = var.name
  price_class = "PriceClass_100"
  web_acl_id  = aws_wafv2_web_acl.monitor.arn

  origin {
    origin_id                = "streams"
    domain_name              = aws_s3_bucket.streams.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.streams.id
  }

  default_cache_behavior {
    target_origin_id           = "streams"
    viewer_protocol_policy     = "https-only"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.caching.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.cors.id
    response_headers_policy_id = data.aws_cloudfront_response_headers_policy.cors.id
  }

  # Only who holds a signed URL or cookie sees these.
  ordered_cache_behavior {
    path_pattern               = "members/*"
    target_origin_id           = "streams"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.optimized.id
    response_headers_policy_id = data.aws_cloudfront_response_headers_policy.cors.id
    trusted_key_groups         = [aws_cloudfront_key_group.viewers.id]
  }

  custom_error_response {
    error_code            = 404
    error_caching_min_ttl = 1
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

resource "aws_s3_bucket_policy" "streams" {
  bucket = aws_s3_bucket.streams.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheDistributionReads"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.streams.arn}/*"
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.streams.arn } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.private]
}

output "source_bucket" {
  value = aws_s3_bucket.source.id
}

output "streams_bucket" {
  value = aws_s3_bucket.streams.id
}

output "domain" {
  value = aws_cloudfront_distribution.streams.domain_name
}

output "key_pair_id" {
  value = aws_cloudfront_public_key.viewers.id
}
