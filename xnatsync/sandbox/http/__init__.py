"""The model behind real sockets: the engine rules of Restlet, Spring and Tomcat that clients meet."""
