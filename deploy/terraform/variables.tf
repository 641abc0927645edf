variable "name" {
  description = "Name of everything that is made, and the prefix of names."
  type        = string
  default     = "costlake"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "name has lower-case letters, digits and hyphens, at most 31."
  }
}

variable "bucket_name" {
  description = "Name of the lake's bucket, which is made. Names of buckets are unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name has lower-case letters, digits, dots and hyphens, 3 to 63 of them."
  }
}

variable "prefix" {
  description = "Folder of the lake in the bucket, without slashes at its ends."
  type        = string
  default     = "bills"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$", var.prefix))
    error_message = "prefix has letters, digits and _ - and single . and / between them."
  }
}

variable "kms_key_arn" {
  description = "ARN of a KMS key for the lake's objects and the log; null encrypts with keys that AWS owns (SSE-S3), at no cost."
  type        = string
  default     = null
}

variable "noncurrent_days" {
  description = "Days after which versions that were replaced or removed are deleted. What is current is never deleted."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "noncurrent_days is at least 1."
  }
}

variable "access_log_bucket" {
  description = "Bucket that gets the access log of the lake's bucket; null keeps none."
  type        = string
  default     = null
}

variable "image" {
  description = "Image with the program and with your job files in /etc/costlake/jobs, by tag or, better, by digest."
  type        = string
}

variable "cpu_architecture" {
  description = "Architecture of the image: X86_64 or ARM64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture is X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "CPU units of the task: 256 is a quarter of a core, of which a night of a thousand accounts uses half a minute."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of memory of the task. The program takes 20 to 120, and with large answers at most 256 beside the rows of its fetches."
  type        = number
  default     = 512
}

variable "schedule" {
  description = "When the task runs: a cron or rate expression of EventBridge Scheduler, in `timezone`."
  type        = string
  default     = "cron(30 6 * * ? *)"
}

variable "timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "UTC"
}

variable "max_usd" {
  description = "Dollars that the requests of one night may cost over all jobs, beside the budget of each job; null for none."
  type        = number
  default     = null
}

variable "vpc_id" {
  description = "VPC of the task."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the task. It calls Cost Explorer, STS, S3, the registry of its image and, where there are keys for it, Datadog, all on port 443."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids names at least one subnet."
  }
}

variable "assign_public_ip" {
  description = "Whether the task gets a public address, for subnets without a NAT gateway. Nothing can connect to it either way."
  type        = bool
  default     = false
}

variable "cost_explorer_actions" {
  description = "Further actions of Cost Explorer, for sources besides aws_cost_and_usage, such as ce:GetCostForecast."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for action in var.cost_explorer_actions : can(regex("^ce:Get[A-Za-z]+$", action))])
    error_message = "cost_explorer_actions are actions that read: ce:Get…"
  }
}

variable "account_role_arns" {
  description = "Roles in other accounts that jobs assume by aws.role_arn."
  type        = list(string)
  default     = []
}

variable "datadog_secret_arn" {
  description = "ARN of a secret of Secrets Manager, a JSON object with the keys api_key and app_key; null without jobs of Datadog."
  type        = string
  default     = null
}

variable "datadog_secret_kms_key_arn" {
  description = "ARN of the KMS key of that secret, if it has one of its own."
  type        = string
  default     = null
}

variable "datadog_site" {
  description = "Site of Datadog, such as datadoghq.eu."
  type        = string
  default     = "datadoghq.com"
}

variable "tables_file" {
  description = "File of the tables for the Glue catalog, made by `costlake ddl --dialect athena --output json`; null defines none."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number
  default     = 365
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
