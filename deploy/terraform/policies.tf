# The least that costlake needs. The files in policies/ are those of docs/reference/permissions.md, for the bucket my-bucket and
# the prefix bills, which are replaced here by yours: the prefix first, because a bucket may be called like it. A text
# between two slashes would be a regular expression for replace().

locals {
  lake_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"

  policies = {
    for name in ["costs", "lake", "reader"] : name => replace(
      replace(
        replace(file("${path.module}/policies/${name}.json"), "my-bucket/bills/", "my-bucket/${var.prefix}/"),
        "\"bills/*\"", "\"${var.prefix}/*\""
      ),
      "arn:aws:s3:::my-bucket", local.lake_arn
    )
  }
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

resource "aws_iam_policy" "costs" {
  name        = "${var.name}-costs"
  description = "costlake reads Cost Explorer"
  policy      = local.policies["costs"]
  tags        = var.tags
}

resource "aws_iam_policy" "lake" {
  name        = "${var.name}-lake"
  description = "costlake reads and writes the lake"
  policy      = local.policies["lake"]
  tags        = var.tags
}

resource "aws_iam_policy" "reader" {
  name        = "${var.name}-reader"
  description = "Reads the lake: for people, and for what answers their questions"
  policy      = local.policies["reader"]
  tags        = var.tags
}

data "aws_iam_policy_document" "more_costs" {
  count = length(var.cost_explorer_actions) > 0 ? 1 : 0

  statement {
    sid       = "MoreCosts"
    actions   = var.cost_explorer_actions
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "accounts" {
  count = length(var.account_role_arns) > 0 ? 1 : 0

  statement {
    sid       = "Accounts"
    actions   = ["sts:AssumeRole"]
    resources = var.account_role_arns
  }
}

data "aws_iam_policy_document" "key" {
  count = var.kms_key_arn == null ? 0 : 1

  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}
