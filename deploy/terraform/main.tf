# What firn needs in an AWS account: a bucket, a table if one is named, and three
# policies: to save, to restore, and to verify. None has a right to delete.

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

  lifecycle {
    precondition {
      condition = var.noncurrent_version_expiration_days == null ? true : (
        var.noncurrent_version_expiration_days >= coalesce(var.object_lock_days, 0)
      )
      error_message = "noncurrent_version_expiration_days must not be less than object_lock_days: S3 would try every day to delete what is locked."
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

# Nothing goes over the network in plain text, and what is in the catalogue is only
# added to: a run never writes to a key there twice, and says so in its request.
data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.archives.arn, "${aws_s3_bucket.archives.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "CatalogueIsOnlyAddedTo"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}.firn/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }

    # Parts of an upload have no condition: what completes them has.
    condition {
      test     = "Bool"
      variable = "s3:ObjectCreationOperation"
      values   = ["true"]
    }
  }
}

resource "aws_s3_bucket_policy" "archives" {
  bucket = aws_s3_bucket.archives.id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_public_access_block.archives]
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

# What each policy begins with: the listing of the prefix, and what it shows.
data "aws_iam_policy_document" "read" {
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

  statement {
    sid       = "ReadArchives"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
  }
}

# firn backup, and firn catalogue rebuild.
data "aws_iam_policy_document" "backup" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  # S3 has no condition on the prefix for these actions.
  statement {
    sid       = "FindUnfinishedUploads"
    actions   = ["s3:ListBucketMultipartUploads", "s3:GetBucketVersioning"]
    resources = [aws_s3_bucket.archives.arn]
  }

  statement {
    sid       = "StoreArchives"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
  }

  # For --lock-days. It can make a lock longer, and never shorter.
  dynamic "statement" {
    for_each = var.object_lock_days == null ? [] : [var.object_lock_days]

    content {
      sid       = "LockArchives"
      actions   = ["s3:PutObjectRetention", "s3:GetObjectRetention"]
      resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
    }
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

# firn restore, with versions of earlier runs and thaws.
data "aws_iam_policy_document" "restore" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "ReadVersionsAndThaw"
    actions   = ["s3:GetObjectVersion", "s3:RestoreObject"]
    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
  }
}

# firn verify, list, find and diff: nothing that costs more than a request.
data "aws_iam_policy_document" "audit" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "ReadVersions"
    actions   = ["s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.archives.arn}/${local.key_prefix}*"]
  }
}

resource "aws_iam_policy" "firn" {
  for_each = {
    backup  = data.aws_iam_policy_document.backup.json
    restore = data.aws_iam_policy_document.restore.json
    audit   = data.aws_iam_policy_document.audit.json
  }

  name        = "${coalesce(var.policy_name, "${var.bucket_name}-firn")}-${each.key}"
  description = "What firn needs to ${each.key} ${var.bucket_name}: no right to delete."
  policy      = each.value
  tags        = var.tags
}
