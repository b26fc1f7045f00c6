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

output "policy_arns" {
  description = "The policies to attach to users or roles: backup for who saves, restore for who restores, audit for who verifies."
  value       = { for name, policy in aws_iam_policy.firn : name => policy.arn }
}
