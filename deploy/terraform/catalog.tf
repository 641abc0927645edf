# Tables of the Glue catalog, for Athena: the document of `costlake ddl --dialect athena --output json`. Partitions are
# projected, so that new months appear by themselves.

locals {
  catalog = jsondecode(var.tables_file == null ? "{\"lake\": \"\", \"tables\": []}" : file(var.tables_file))
  tables  = { for table in local.catalog.tables : table.name => table }
}

resource "aws_glue_catalog_database" "this" {
  count = var.tables_file == null ? 0 : 1

  name        = replace(var.name, "-", "_")
  description = "The lake of ${var.name}"
  tags        = var.tags
}

resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  database_name = aws_glue_catalog_database.this[0].name
  name          = each.key
  table_type    = "EXTERNAL_TABLE"
  parameters    = merge({ EXTERNAL = "TRUE", comment = each.value.comment }, each.value.parameters)

  storage_descriptor {
    location      = each.value.location
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }

  dynamic "partition_keys" {
    for_each = each.value.partition_keys

    content {
      name = partition_keys.value.name
      type = partition_keys.value.type
    }
  }

  lifecycle {
    precondition {
      condition     = local.catalog.lake == "s3://${var.bucket_name}/${var.prefix}"
      error_message = "${var.tables_file == null ? "" : var.tables_file} is of another lake: make it again with --lake s3://${var.bucket_name}/${var.prefix}."
    }
  }
}
