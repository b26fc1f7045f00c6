# What firn needs in an AWS account: a bucket, a table if one is named, and a
# policy with the rights to save and to thaw. It has no right to delete.

locals {
  # The prefix as it stands in keys: with a slash at its end, or empty.
  key_prefix = var.prefix == "" ? "" : "${var.prefix}/"
}

resource "aws_s3_bucket" "archives" {
  bucket              = var.bucket_name
  object_lock_enabled = var.object_lock_days != null
  tags                = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "archives" {
  bucket = aws_s3_bucket.archives.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "archives" {
  bucket                  = aws_s3_bucket.archives.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "archives" {
  bucket = aws_s3_bucket.archives.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "archives" {
  bucket = aws_s3_bucket.archives.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "archives" {
  bucket = aws_s3_bucket.archives.id

  # Parts of an unfinished upload are billed until the upload is aborted. The next
  # run of firn aborts its own; this rule is for when there is no next run.
  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # No rule moves or expires current objects: RECOVER.txt, restore.sh and the
  # objects below .firn/ must stay readable without a thaw.
  dynamic "rule" {
    for_each = var.noncurrent_version_expiration_days == null ? [] : [var.noncurrent_version_expiration_days]

    content {
      id     = "expire-noncurrent-versions"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.archives]
}

resource "aws_s3_bucket_object_lock_configuration" "archives" {
  count = var.object_lock_days == null ? 0 : 1

  bucket = aws_s3_bucket.archives.id

  rule {
    default_retention {
      mode = var.object_lock_mode
      days = var.object_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.archives]
}

resource "aws_dynamodb_table" "records" {
  count = var.table_name == null ? 0 : 1

  name         = var.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "s3_key"
  tags         = var.tags

  attribute {
    name = "s3_key"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  lifecycle {
    prevent_destroy = true
  }
}

data "aws_iam_policy_document" "firn" {
  statement {
    sid       = "ListArchives"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.archives.arn]

    dynamic "condition" {
      for_each = local.key_prefix == "" ? [] : [local.key_prefix]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${condition.value}*"]
      }
    }
  }

  # S3 has no condition on the prefix for this action.
  statement {
    sid       = "FindUnfinishedUploads"
    actions   = ["s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.archives.arn]
  }

  statement {
    sid = "StoreAndThawArchives"

    actions = [
      "s3:PutObject",
      "s3:GetObject",
      "s3:GetObjectVersion", # to restore the state of an earlier run
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
      "s3:RestoreObject",
    ]

    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
  }

  dynamic "statement" {
    for_each = aws_dynamodb_table.records

    content {
      sid       = "KeepRecords"
      actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
      resources = [statement.value.arn]
    }
  }
}

resource "aws_iam_policy" "firn" {
  name        = coalesce(var.policy_name, "${var.bucket_name}-firn")
  description = "What firn needs to save to ${var.bucket_name}: no right to delete."
  policy      = data.aws_iam_policy_document.firn.json
  tags        = var.tags
}
