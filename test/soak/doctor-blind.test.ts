/** Each check of the doctor on a host of which each kind of file may not be read: it finds what is wrong, or says what it lacks. */
process.env.BLIND_ALL = '1';
await import('../host/blind.test.js');
