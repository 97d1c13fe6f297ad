/* A table in memory for net-snmp's snmpd, as large as the one that bench/snmp.py gives our agent: 32 columns of Gauge32
 * and Counter64, indexed by a name. Built by the benchmark: gcc -shared -fPIC, with the headers of libsnmp-dev. */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <stdlib.h>

#define COLUMNS 32

struct row {
    char name[16];
    u_long gauge;
    struct counter64 counter;
};

static int answer(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    for (netsnmp_request_info *request = requests; request; request = request->next) {
        struct row *row = netsnmp_tdata_extract_entry(request);
        netsnmp_table_request_info *place = netsnmp_extract_table_info(request);
        if (info->mode != MODE_GET)
            continue;
        if (!row || !place) {
            netsnmp_set_request_error(info, request, SNMP_NOSUCHINSTANCE);
        } else if (place->colnum % 2) {
            snmp_set_var_typed_value(request->requestvb, ASN_GAUGE, &row->gauge, sizeof row->gauge);
        } else {
            snmp_set_var_typed_value(request->requestvb, ASN_COUNTER64, &row->counter, sizeof row->counter);
        }
    }
    return SNMP_ERR_NOERROR;
}

void init_snmpd_table(void)
{
    oid base[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7000};
    const char *wanted = getenv("SNMPD_TABLE_ROWS");
    int rows = wanted ? atoi(wanted) : 312;
    netsnmp_tdata *table = netsnmp_tdata_create_table("bench", 0);
    netsnmp_table_registration_info *shape = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);
    netsnmp_table_helper_add_indexes(shape, ASN_OCTET_STR, 0);
    shape->min_column = 1;
    shape->max_column = COLUMNS;
    netsnmp_tdata_register(
        netsnmp_create_handler_registration("bench", answer, base, OID_LENGTH(base), HANDLER_CAN_RONLY), table, shape);
    for (int number = 0; number < rows; number++) {
        struct row *entry = SNMP_MALLOC_TYPEDEF(struct row);
        netsnmp_tdata_row *row = netsnmp_tdata_create_row();
        snprintf(entry->name, sizeof entry->name, "queue%05d", number);
        entry->gauge = number;
        entry->counter.high = 1;
        entry->counter.low = number;
        row->data = entry;
        netsnmp_tdata_row_add_index(row, ASN_OCTET_STR, entry->name, strlen(entry->name));
        netsnmp_tdata_add_row(table, row);
    }
}
