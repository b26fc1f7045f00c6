output "bucket_name" {
  description = "For --bucket-name."
  value       = aws_s3_bucket.archives.bucket
}

output "bucket_region" {
  description = "For --region, unless the AWS settings give it."
  value       = aws_s3_bucket.archives.region
}

output "table_name" {
  description = "For --dynamodb-table-name; null if there is no table."
  value       = one(aws_dynamodb_table.records[*].name)
}

output "prefix" {
  description = "For --prefix."
  value       = var.prefix
}

output "policy_arn" {
  description = "The policy to attach to the user or role that runs firn."
  value       = aws_iam_policy.firn.arn
}
