output "lake" {
  description = "Address of the lake, for COSTLAKE_LAKE and --lake."
  value       = "s3://${var.bucket_name}/${var.prefix}"
}

output "bucket_arn" {
  description = "ARN of the lake's bucket."
  value       = aws_s3_bucket.lake.arn
}

output "policy_arns" {
  description = "ARNs of the policies: costs, lake and reader. Attach the last to whoever asks the lake."
  value = {
    costs  = aws_iam_policy.costs.arn
    lake   = aws_iam_policy.lake.arn
    reader = aws_iam_policy.reader.arn
  }
}

output "task_role_arn" {
  description = "ARN of the role of the task: the roles of other accounts have to trust it."
  value       = aws_iam_role.this["task"].arn
}

output "cluster_arn" {
  description = "ARN of the cluster that the task runs in."
  value       = aws_ecs_cluster.this.arn
}

output "task_definition_arn" {
  description = "ARN of the task definition, to start a run by hand."
  value       = aws_ecs_task_definition.this.arn
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "glue_database" {
  description = "Name of the database of the Glue catalog; null without tables_file."
  value       = one(aws_glue_catalog_database.this[*].name)
}
