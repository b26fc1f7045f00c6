variable "bucket_name" {
  description = "Name of the bucket to make. It must be free in all of S3."
  type        = string
}

variable "table_name" {
  description = "Name of the DynamoDB table to make; with null there is none, and records are kept in the metadata of objects only."
  type        = string
  default     = null
}

variable "prefix" {
  description = "The value of firn's --prefix: the policy gives rights below it only; empty for the whole bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9!_'()-][A-Za-z0-9!_.'()-]*(/[A-Za-z0-9!_'()-][A-Za-z0-9!_.'()-]*)*)?$", var.prefix))
    error_message = "The prefix must be written without a slash at its ends, with letters, digits and !_.'()- between slashes, and no part of it may begin with a dot."
  }
}

variable "policy_name" {
  description = "What the names of the IAM policies begin with, before -backup, -restore and -audit; null takes the bucket's name followed by -firn."
  type        = string
  default     = null
}

variable "noncurrent_version_expiration_days" {
  description = "Days until a replaced version is deleted; null keeps all versions for ever. It must be far longer than it takes to notice that somebody replaced archives, and not less than object_lock_days. Fewer than 90 days (GLACIER) or 180 (DEEP_ARCHIVE) save nothing, because S3 bills at least that long."
  type        = number
  default     = 365

  validation {
    condition     = var.noncurrent_version_expiration_days == null ? true : var.noncurrent_version_expiration_days >= 1
    error_message = "The number of days must be at least 1, or null."
  }
}

variable "object_lock_days" {
  description = "Days in which no version of an archive can be deleted (S3 Object Lock); null leaves Object Lock off. Once it is on, it cannot be turned off for the bucket."
  type        = number
  default     = null

  validation {
    condition     = var.object_lock_days == null ? true : var.object_lock_days >= 1
    error_message = "The number of days must be at least 1, or null."
  }
}

variable "object_lock_mode" {
  description = "Whoever has the right s3:BypassGovernanceRetention can lift GOVERNANCE. Nobody can lift COMPLIANCE, not even the root user of the account."
  type        = string
  default     = "GOVERNANCE"

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock_mode)
    error_message = "The mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
