variable "bucket_name" {
  description = "Name of the bucket to make. It must be free in all of S3."
  type        = string
}

variable "table_name" {
  description = "Name of the DynamoDB table to make; null makes none, and the records are kept in the objects' metadata only."
  type        = string
  default     = null
}

variable "prefix" {
  description = "What firn is given as --prefix, for which the policy's rights hold; empty for the whole bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9!_'()-][A-Za-z0-9!_.'()-]*(/[A-Za-z0-9!_'()-][A-Za-z0-9!_.'()-]*)*)?$", var.prefix))
    error_message = "The prefix must be written without a slash at its ends, with letters, digits and !_.'()- between slashes, and no part of it may begin with a dot."
  }
}

variable "policy_name" {
  description = "Name of the IAM policy to make; null takes the bucket's name with -firn behind it."
  type        = string
  default     = null
}

variable "noncurrent_version_expiration_days" {
  description = "After how many days a version that a newer one has replaced is deleted; null keeps all versions for ever. Fewer than 90 days (GLACIER) or 180 (DEEP_ARCHIVE) save nothing: S3 bills that long in any case."
  type        = number
  default     = 180

  validation {
    condition     = var.noncurrent_version_expiration_days == null ? true : var.noncurrent_version_expiration_days >= 1
    error_message = "The number of days must be at least 1, or null."
  }
}

variable "object_lock_days" {
  description = "For how many days no version of an archive can be deleted (S3 Object Lock); null leaves Object Lock off. Once on, it can't be turned off for the bucket."
  type        = number
  default     = null

  validation {
    condition     = var.object_lock_days == null ? true : var.object_lock_days >= 1
    error_message = "The number of days must be at least 1, or null."
  }
}

variable "object_lock_mode" {
  description = "GOVERNANCE can be lifted by whoever has the right s3:BypassGovernanceRetention, COMPLIANCE by nobody, the account's root user included."
  type        = string
  default     = "GOVERNANCE"

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock_mode)
    error_message = "The mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
