# Once a night, a task of Fargate: nothing listens, nothing is kept but the lake and the log.

locals {
  services = {
    task      = "ecs-tasks.amazonaws.com"
    execution = "ecs-tasks.amazonaws.com"
    scheduler = "scheduler.amazonaws.com"
  }

  arguments = concat(["run", "--log-format", "json"], var.max_usd == null ? [] : ["--max-usd", tostring(var.max_usd)])

  environment = merge(
    {
      AWS_REGION    = data.aws_region.current.id
      COSTLAKE_JOBS = "/etc/costlake/jobs"
      COSTLAKE_LAKE = "s3://${var.bucket_name}/${var.prefix}"
    },
    var.datadog_secret_arn == null ? {} : { DD_SITE = var.datadog_site }
  )

  secrets = var.datadog_secret_arn == null ? {} : {
    DD_API_KEY = "${var.datadog_secret_arn}:api_key::"
    DD_APP_KEY = "${var.datadog_secret_arn}:app_key::"
  }
}

data "aws_iam_policy_document" "assume" {
  for_each = local.services

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.services

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume[each.key].json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "task" {
  for_each = { costs = aws_iam_policy.costs.arn, lake = aws_iam_policy.lake.arn }

  role       = aws_iam_role.this["task"].name
  policy_arn = each.value
}

resource "aws_iam_role_policy" "more_costs" {
  count = length(var.cost_explorer_actions) > 0 ? 1 : 0

  name   = "more-costs"
  role   = aws_iam_role.this["task"].id
  policy = data.aws_iam_policy_document.more_costs[0].json
}

resource "aws_iam_role_policy" "accounts" {
  count = length(var.account_role_arns) > 0 ? 1 : 0

  name   = "accounts"
  role   = aws_iam_role.this["task"].id
  policy = data.aws_iam_policy_document.accounts[0].json
}

resource "aws_iam_role_policy" "key" {
  count = var.kms_key_arn == null ? 0 : 1

  name   = "key"
  role   = aws_iam_role.this["task"].id
  policy = data.aws_iam_policy_document.key[0].json
}

# What starts the container: it fetches the image and the secrets, and writes the log.
resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.this["execution"].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  count = var.datadog_secret_arn == null ? 0 : 1

  statement {
    sid       = "Keys"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.datadog_secret_arn]
  }

  dynamic "statement" {
    for_each = var.datadog_secret_kms_key_arn == null ? [] : [var.datadog_secret_kms_key_arn]

    content {
      sid       = "KeyOfKeys"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  count = var.datadog_secret_arn == null ? 0 : 1

  name   = "secrets"
  role   = aws_iam_role.this["execution"].id
  policy = data.aws_iam_policy_document.secrets[0].json
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/nightly"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.this["task"].arn
  execution_role_arn       = aws_iam_role.this["execution"].arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([
    {
      name                   = "costlake"
      image                  = var.image
      essential              = true
      command                = local.arguments
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      privileged             = false
      # costlake stops within ten seconds.
      stopTimeout = 30
      environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
      secrets     = [for name in sort(keys(local.secrets)) : { name = name, valueFrom = local.secrets[name] }]

      linuxParameters = {
        initProcessEnabled = true
        capabilities       = { drop = ["ALL"] }
      }

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = data.aws_region.current.id
          awslogs-stream-prefix = "run"
        }
      }
    }
  ])
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5: The scheduler attaches it to each task that it starts.
  name        = var.name
  description = "costlake asks APIs over TLS; nothing connects to it"
  vpc_id      = var.vpc_id
  tags        = var.tags

  egress {
    description = "Cost Explorer, STS, S3, the registry of the image, Datadog"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "Start"
    actions   = ["ecs:RunTask"]
    resources = ["${aws_ecs_task_definition.this.arn_without_revision}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "Roles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.this["task"].arn, aws_iam_role.this["execution"].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.this["scheduler"].id
  policy = data.aws_iam_policy_document.start.json
}

resource "aws_scheduler_schedule" "nightly" {
  #checkov:skip=CKV_AWS_297: A schedule holds no secret: the arguments of the task and the names of subnets.
  name                         = var.name
  description                  = "costlake run"
  schedule_expression          = var.schedule
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.this.arn
    role_arn = aws_iam_role.this["scheduler"].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.this.arn
      launch_type         = "FARGATE"

      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = [aws_security_group.this.id]
        assign_public_ip = var.assign_public_ip
      }
    }

    # Only starting is tried again. A run that failed is made up for by the next night.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }
}
