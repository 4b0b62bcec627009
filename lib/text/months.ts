/** The English names of months that syslog and HTTP write, whatever the locale: RFC 3164 and RFC 9110. */
export const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
